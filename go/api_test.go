package vantagepool

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"
)

// The longest wait for what should take no time.
const long = 60 * time.Second

type item struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
}

// api is a server with pages, answers that never come, and counts of those that went away.
type api struct {
	*httptest.Server
	begun, gone atomic.Int64
	late        atomic.Int64
	pages       int
	// gate is closed when /gated may answer beyond its first page.
	gate chan struct{}
}

const perPage = 100

func serve(t testing.TB) *api {
	a := &api{pages: 10, gate: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Test", "yes")
		fmt.Fprint(w, `{"ok":true}`)
	})
	mux.HandleFunc("/auth", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Authorization"))
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Target", r.URL.String())
		w.Header().Set("X-Said", r.Method+" "+r.Header.Get("X-Say")+r.Header.Get("Idempotency-Key"))
		io.Copy(w, r.Body)
	})
	mux.HandleFunc("/status/{status}", func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.PathValue("status"))
		w.WriteHeader(status)
		fmt.Fprint(w, "no such thing")
	})
	slow := func(w http.ResponseWriter, r *http.Request) {
		a.begun.Add(1)
		<-r.Context().Done()
		a.gone.Add(1)
	}
	mux.HandleFunc("/slow", slow)
	mux.HandleFunc("/late", func(w http.ResponseWriter, r *http.Request) {
		a.late.Add(1)
		time.Sleep(100 * time.Millisecond)
		fmt.Fprint(w, "late")
	})
	mux.HandleFunc("/items", func(w http.ResponseWriter, r *http.Request) { a.page(w, r) })
	mux.HandleFunc("/slowitems", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("page") == "2" || r.FormValue("page") == "3" {
			slow(w, r)
			return
		}
		a.page(w, r)
	})
	mux.HandleFunc("/gated", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("page") != "1" {
			select {
			case <-a.gate:
			case <-r.Context().Done():
				a.gone.Add(1)
				return
			}
		}
		a.page(w, r)
	})
	mux.HandleFunc("/sparse", func(w http.ResponseWriter, r *http.Request) {
		// Only the third of four pages has an item.
		data := ""
		if r.FormValue("page") == "3" {
			data = `{"id":1}`
		}
		fmt.Fprintf(w, `{"data":[%s],"pagination":{"total_pages":4}}`, data)
	})
	mux.HandleFunc("/empty", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"data":[]}`)
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("page") == "2" {
			w.WriteHeader(500)
			return
		}
		a.page(w, r)
	})
	mux.HandleFunc("/uneven", func(w http.ResponseWriter, r *http.Request) {
		// The last one of three on the second page is wrong.
		data := `[{"id":1,"name":"one"},{"id":2,"name":"two"}]`
		if r.FormValue("page") == "2" {
			data = `[{"id":3},{"id":4,"name":"four"},{"id":5,"name":7}]`
		}
		fmt.Fprintf(w, `{"data":%s,"pagination":{"total_pages":2}}`, data)
	})
	mux.HandleFunc("/bare", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `[{"id":1,"name":7}]`)
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

func (a *api) page(w http.ResponseWriter, r *http.Request) {
	page, _ := strconv.Atoi(r.FormValue("page"))
	items := make([]item, 0, perPage)
	for id := (page - 1) * perPage; id < min(page, a.pages)*perPage; id++ {
		items = append(items, item{id, fmt.Sprint("item ", id)})
	}
	json.NewEncoder(w).Encode(map[string]any{
		"data": items,
		"pagination": map[string]any{
			"page": page, "per_page": perPage, "total": a.pages * perPage,
			"total_pages": a.pages, "has_next": page < a.pages,
		},
	})
}

// open is a pool that gives up after one attempt.
func open(t testing.TB, a *api) *Pool {
	p, err := Open(Config{
		BaseURL: a.URL, MaxAttempts: 1, SigningKey: "0123456789abcdef0123456789abcdef",
		CallTimeout: 5 * time.Minute, AttemptTimeout: 5 * time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// until waits until something holds.
func until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(long); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it is still not so: %s", what)
		}
	}
}
