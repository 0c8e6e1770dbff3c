package vantagepool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
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
}

const perPage = 100

func serve(t testing.TB) *api {
	a := &api{pages: 10}
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Test", "yes")
		fmt.Fprint(w, `{"ok":true}`)
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
	mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("page") == "2" {
			w.WriteHeader(500)
			return
		}
		a.page(w, r)
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

func TestACallReturnsTheResponse(t *testing.T) {
	p := open(t, serve(t))
	r, err := p.Get(context.Background(), "/ok")
	if err != nil {
		t.Fatal(err)
	}
	var body struct{ OK bool }
	if err := r.JSON(&body); err != nil || !body.OK || r.Status != 200 || r.Header.Get("x-test") != "yes" {
		t.Fatalf("%+v %v", r, err)
	}
	r, err = p.Do(context.Background(), &Request{
		Method: "POST", Path: "/echo", Query: url.Values{"q": {"a b", "c&d"}},
		Header: map[string]string{"x-say": "hé"}, Body: []byte("one\x00two"),
		IdempotencyKey: "key-1", Priority: High,
	})
	if err != nil {
		t.Fatal(err)
	}
	if string(r.Body) != "one\x00two" || r.Header.Get("x-target") != "/echo?q=a%20b&q=c%26d" {
		t.Fatalf("%q %v", r.Body, r.Header)
	}
	if r.Header.Get("x-said") != "POST hékey-1" {
		t.Fatalf("%q", r.Header.Get("x-said"))
	}
	stats, err := p.Stats()
	if err != nil || !json.Valid(stats) {
		t.Fatal(string(stats), err)
	}
	if err := errors.Join(p.SetRate(1000), p.SetRate(0), p.Resize(2)); err != nil {
		t.Fatal(err)
	}
	if err := p.Resize(-1); !errors.Is(err, ErrConfig) {
		t.Fatal(err)
	}
}

func TestErrorsSayWhatWentWrong(t *testing.T) {
	p, ctx := open(t, serve(t)), context.Background()
	_, err := p.Get(ctx, "/status/404")
	var e *Error
	if !errors.As(err, &e) || e.Status != 404 || e.Kind != "status" || string(e.Body) != "no such thing" {
		t.Fatalf("%+v", err)
	}
	if e.Attempts != 1 || e.Page != -1 || e.Retryable || e.Delivery != Answered {
		t.Fatalf("%+v", e)
	}
	if !errors.Is(err, ErrStatus) || errors.Is(err, ErrRateLimited) || errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err = p.Get(ctx, "/status/429"); !errors.Is(err, ErrRateLimited) {
		t.Fatal(err)
	}
	if _, err = p.Get(ctx, "http://elsewhere.example/"); !errors.As(err, &e) || e.Kind != "foreign_origin" {
		t.Fatal(err)
	}
	if _, err = p.Do(ctx, &Request{Method: "G T"}); err == nil {
		t.Fatal("a method with a space was sent")
	}
	if _, err = p.Do(ctx, &Request{Path: "/ok", Header: map[string]string{"x": "a\nb"}}); err == nil {
		t.Fatal("a header of two lines was sent")
	}
	for _, config := range []Config{{}, {BaseURL: "x"}, {BaseURL: "http://x", Workers: -1},
		{BaseURL: "http://x", Settings: map[string]any{"wrokers": 1}}} {
		if _, err := Open(config); !errors.Is(err, ErrConfig) {
			t.Fatalf("%+v: %v", config, err)
		}
	}
}

func TestAContextEndsItsCallAndTheConnection(t *testing.T) {
	a := serve(t)
	p := open(t, a)
	why := errors.New("changed my mind")
	ctx, cancel := context.WithCancelCause(context.Background())
	go func() {
		until(t, "the request came", func() bool { return a.begun.Load() == 1 })
		cancel(why)
	}()
	if _, err := p.Get(ctx, "/slow"); err != why {
		t.Fatal(err)
	}
	// The issue of this promise is 100 ms; a busy machine may take longer.
	start := time.Now()
	until(t, "the connection is closed", func() bool { return a.gone.Load() == 1 })
	took := time.Since(start)
	t.Log("the connection was closed after", took)
	if took > 5*time.Second {
		t.Fatal("it took", took)
	}
	short, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer stop()
	if _, err := p.Get(short, "/slow"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	if _, err := p.Get(ctx, "/ok"); err != why {
		t.Fatal(err)
	}
}

func TestAStreamYieldsEverythingInOrder(t *testing.T) {
	p, ctx := open(t, serve(t)), context.Background()
	next := 0
	for value, err := range ItemsAs[item](ctx, p, "/items", &StreamOptions{Prefetch: 8}) {
		if err != nil || value.ID != next || value.Name != fmt.Sprint("item ", next) {
			t.Fatal(value, err)
		}
		next++
	}
	if next != 1000 {
		t.Fatal(next)
	}
	// Left early, it ends.
	for range p.Items(ctx, "/items", nil) {
		break
	}
	// And goes on elsewhere.
	s, err := p.Stream("/items", &StreamOptions{BatchItems: 1})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := s.Next(ctx)
	if err != nil || len(batch.Items) != 100 || batch.Page != 1 {
		t.Fatal(batch, err)
	}
	s.Close()
	if _, err := s.Next(ctx); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	next = 100
	for value, err := range ItemsAs[item](ctx, p, "/items", &StreamOptions{Resume: batch.Token}) {
		if err != nil || value.ID != next {
			t.Fatal(value, err)
		}
		next++
	}
	if next != 1000 {
		t.Fatal(next)
	}
}

func TestAStreamEndsWithItsError(t *testing.T) {
	p, ctx := open(t, serve(t)), context.Background()
	seen, last := 0, error(nil)
	for _, err := range p.Items(ctx, "/broken", nil) {
		if err == nil {
			seen++
		}
		last = err
	}
	var e *Error
	if seen != 100 || !errors.As(last, &e) || e.Status != 500 || e.Page != 2 {
		t.Fatal(seen, last)
	}
	last = nil
	bare := &StreamOptions{
		Envelope: map[string]any{"items": "data", "or_bare_array": true},
		Paging:   map[string]any{"by": "none"},
	}
	for _, err := range ItemsAs[item](ctx, p, "/bare", bare) {
		last = err
	}
	var wrong *json.UnmarshalTypeError
	if !errors.Is(last, ErrDecode) || !errors.As(last, &wrong) {
		t.Fatal(last)
	}
	for _, err := range p.Items(ctx, "/items", &StreamOptions{Mode: "magic"}) {
		last = err
	}
	if !errors.Is(last, ErrConfig) {
		t.Fatal(last)
	}
}

func TestAContextEndsAReadThatCanGoOn(t *testing.T) {
	a := serve(t)
	p := open(t, a)
	s, err := p.Stream("/slowitems", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if batch, err := s.Next(context.Background()); err != nil || len(batch.Items) != 100 {
		t.Fatal(batch, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Next(ctx); err != context.DeadlineExceeded {
		t.Fatal(err)
	}
	// The page is still on its way.
	if a.gone.Load() != 0 {
		t.Fatal("the read was given up")
	}
	s.Close()
	until(t, "closing ends the requests", func() bool { return a.gone.Load() == a.begun.Load() })
}

func TestTenThousandCallsHaveFewThreads(t *testing.T) {
	a := serve(t)
	p := open(t, a)
	ctx, cancel := context.WithCancel(context.Background())
	var calls sync.WaitGroup
	for range 10_000 {
		calls.Go(func() {
			if _, err := p.Get(ctx, "/slow"); err != context.Canceled {
				t.Error(err)
			}
		})
	}
	until(t, "all connections are in use", func() bool { return a.begun.Load() >= 90 })
	until(t, "all calls are under way", func() bool { return len(p.in.queue.room) == 10_000 })
	if threads := pprof.Lookup("threadcreate").Count(); threads >= 50 {
		t.Error(threads, "threads")
	}
	if tasks, err := os.ReadDir("/proc/self/task"); err == nil && len(tasks) >= 50 {
		t.Error(len(tasks), "threads of the system")
	}
	cancel()
	calls.Wait()
}

func TestAClosedPoolRefusesAndEndsItsCalls(t *testing.T) {
	a := serve(t)
	p := open(t, a)
	failed := make(chan error)
	go func() {
		_, err := p.Get(context.Background(), "/slow")
		failed <- err
	}()
	until(t, "the request came", func() bool { return a.begun.Load() == 1 })
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Shutdown(done); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Get(context.Background(), "/ok"); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if _, err := p.Stats(); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	if _, err := p.Stream("/items", nil); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	// Under way calls are let end.
	p = open(t, a)
	go func() {
		_, err := p.Get(context.Background(), "/late")
		failed <- err
	}()
	until(t, "the request came", func() bool { return a.late.Load() == 1 })
	p.Close()
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsForgottenIsClosed(t *testing.T) {
	p := open(t, serve(t))
	before := OpenHandles()
	for range 1000 {
		s, err := p.Stream("/items", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = s
	}
	until(t, "the streams are closed", func() bool {
		runtime.GC()
		return OpenHandles() == before
	})
	if _, err := Open(Config{BaseURL: "http://127.0.0.1:1"}); err != nil {
		t.Fatal(err)
	}
	until(t, "the pool is closed", func() bool {
		runtime.GC()
		return OpenHandles() == before
	})
}

func TestEventsTellWhatHappens(t *testing.T) {
	a := serve(t)
	p := open(t, a)
	calls := make(chan bool)
	go func() {
		defer close(calls)
		for {
			select {
			case <-calls:
				return
			default:
				p.Get(context.Background(), "/ok")
			}
		}
	}()
	for event := range p.Events(context.Background()) {
		if event.Name == "attempt_ended" {
			var told struct{ Status int }
			if err := json.Unmarshal(event.Data, &told); err != nil || told.Status != 200 {
				t.Fatal(string(event.Data), err)
			}
			break
		}
	}
	calls <- true
	<-calls
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for event := range p.Events(ctx) {
		t.Fatal(event)
	}
}

func TestValuesAreKept(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "values.redb"), context.Background()
	kv, err := OpenKV(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKV(path, nil); err == nil {
		t.Fatal("it was opened twice")
	}
	if _, err := kv.Get(ctx, "a"); err != ErrNotFound {
		t.Fatal(err)
	}
	var puts sync.WaitGroup
	for i := range 100 {
		puts.Go(func() {
			if err := kv.Put(ctx, fmt.Sprintf("n/%03d", i), []byte{byte(i), 0}, time.Hour); err != nil {
				t.Error(err)
			}
		})
	}
	puts.Wait()
	if err := kv.Put(ctx, "empty", nil, 0); err != nil {
		t.Fatal(err)
	}
	if value, err := kv.Get(ctx, "empty"); err != nil || len(value) != 0 {
		t.Fatal(value, err)
	}
	at := 0
	for entry, err := range kv.Keys(ctx, "n/") {
		if err != nil || entry.Key != fmt.Sprintf("n/%03d", at) || entry.Size != 2 {
			t.Fatal(entry, err)
		}
		at++
	}
	if at != 100 {
		t.Fatal(at)
	}
	if err := kv.Delete(ctx, "empty"); err != nil {
		t.Fatal(err)
	}
	if err := kv.Delete(ctx, "empty"); err != ErrNotFound {
		t.Fatal(err)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := kv.Put(done, "late", nil, 0); err != context.Canceled {
		t.Fatal(err)
	}
	if stats, err := kv.Stats(); err != nil || !json.Valid(stats) {
		t.Fatal(string(stats), err)
	}
	if err := errors.Join(kv.Close(), kv.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Get(ctx, "a"); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

const description = `
api: { base_url: "${URL}" }
tables:
  - { name: items, id: id, columns: { id: int, name: text } }
  - { name: slowitems, id: id, columns: { id: int, name: text } }
jobs:
  copy: { sink: { sqlite: "${FOLDER}/copy.db" }, streams: [ { table: items } ] }
  slow: { sink: { sqlite: "${FOLDER}/slow.db" }, streams: [ { table: slowitems } ] }
`

func TestJobsRunAreWatchedAndStop(t *testing.T) {
	a, ctx := serve(t), context.Background()
	variables := map[string]string{"URL": a.URL, "FOLDER": t.TempDir()}
	job, err := OpenJob(description, "copy", variables)
	if err != nil {
		t.Fatal(err)
	}
	defer job.Close()
	var told atomic.Uint64
	report, err := job.Run(ctx, func(p Progress) { told.Store(p.Counts.Written) })
	if err != nil || len(report.Streams) != 1 || report.Streams[0].Outcome != "complete" {
		t.Fatalf("%+v %v", report, err)
	}
	if report.Streams[0].Counts.Written != 1000 || told.Load() == 0 {
		t.Fatalf("%+v %v", report, told.Load())
	}
	slow, err := OpenJob(description, "slow", variables)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	why := errors.New("enough")
	stopped, stop := context.WithCancelCause(ctx)
	go func() {
		until(t, "the second page was asked for", func() bool { return a.begun.Load() > 0 })
		stop(why)
	}()
	report, err = slow.Run(stopped, nil)
	if err != why || report.Streams[0].Outcome != "stopped" {
		t.Fatalf("%+v %v", report, err)
	}
	if _, err := OpenJob(description, "none", variables); err == nil {
		t.Fatal("there is no such job")
	}
	if _, err := OpenJob(description, "copy", nil); !errors.Is(err, ErrConfig) {
		t.Fatal(err)
	}
}

func TestNothingIsLeft(t *testing.T) {
	goroutines, handles := runtime.NumGoroutine(), OpenHandles()
	a := serve(t)
	p := open(t, a)
	for range p.Items(context.Background(), "/items", nil) {
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	p.Get(ctx, "/slow")
	p.Close()
	a.Close()
	until(t, "all handles are closed", func() bool { return OpenHandles() <= handles })
	until(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= goroutines })
}
