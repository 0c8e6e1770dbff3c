package vantagepool

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"syscall"
	"testing"
)

// The same pages, read by this package and by net/http, one page after the other and eight at a time
// in order. `items/cpu-s` is what counts: items per second of CPU of this process, in which the server
// is not, as it runs in one of its own: `go test -bench . -args` starts it by itself.

// cpu is the time that this process has had, in seconds.
func cpu() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(used.Utime) + seconds(used.Stime)
}

const benchPages = 2000

// benchServer serves until its input ends; see TestMain.
func benchServer() {
	a := &api{pages: benchPages}
	pages := make([][]byte, benchPages+1)
	for page := 1; page <= benchPages; page++ {
		items := make([]item, 0, perPage)
		for id := (page - 1) * perPage; id < page*perPage; id++ {
			items = append(items, item{id, fmt.Sprint("item ", id)})
		}
		pages[page], _ = json.Marshal(map[string]any{
			"data": items,
			"pagination": map[string]any{
				"page": page, "per_page": perPage, "total": a.pages * perPage,
				"total_pages": a.pages, "has_next": page < a.pages,
			},
		})
	}
	serveFixed(pages)
}

func measured(b *testing.B, read func() int) {
	items, start := 0, cpu()
	for b.Loop() {
		items += read()
	}
	b.ReportMetric(float64(items)/(cpu()-start), "items/cpu-s")
	b.ReportMetric(float64(items)/b.Elapsed().Seconds(), "items/s")
}

func checked(b *testing.B, items int) int {
	if items != benchPages*perPage {
		b.Fatal(items, "items")
	}
	return items
}

func BenchmarkPoolRaw(b *testing.B) {
	p, err := Open(Config{BaseURL: benchURL(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	measured(b, func() (items int) {
		for _, err := range p.Items(context.Background(), "/items", &StreamOptions{Prefetch: 8}) {
			if err != nil {
				b.Fatal(err)
			}
			items++
		}
		return checked(b, items)
	})
}

func BenchmarkPoolStructs(b *testing.B) {
	p, err := Open(Config{BaseURL: benchURL(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	measured(b, func() (items int) {
		for value, err := range ItemsAs[item](context.Background(), p, "/items", &StreamOptions{Prefetch: 8}) {
			if err != nil || value.ID != items {
				b.Fatal(value, err)
			}
			items++
		}
		return checked(b, items)
	})
}

type rawPage struct {
	Data       []json.RawMessage `json:"data"`
	Pagination struct {
		TotalPages int `json:"total_pages"`
	} `json:"pagination"`
}

type structPage struct {
	Data       []item `json:"data"`
	Pagination struct {
		TotalPages int `json:"total_pages"`
	} `json:"pagination"`
}

// fetch gets a page with net/http.
func fetch(client *http.Client, url string, page int, into any) error {
	response, err := client.Get(fmt.Sprintf("%s/items?page=%d", url, page))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, into)
}

// ahead reads all pages with at most eight requests at a time, and takes them in order.
func ahead[P any](b *testing.B, url string, items func(*P) int) (count int) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	turns := make(chan struct{}, 8)
	arrived := make([]chan *P, benchPages+1)
	for page := range arrived {
		arrived[page] = make(chan *P, 1)
	}
	var calls sync.WaitGroup
	calls.Go(func() {
		for page := 1; page <= benchPages; page++ {
			turns <- struct{}{}
			calls.Go(func() {
				into := new(P)
				if err := fetch(client, url, page, into); err != nil {
					b.Error(err)
				}
				arrived[page] <- into
			})
		}
	})
	for page := 1; page <= benchPages; page++ {
		count += items(<-arrived[page])
		<-turns
	}
	calls.Wait()
	return checked(b, count)
}

func BenchmarkNetHTTPAheadRaw(b *testing.B) {
	url := benchURL(b)
	measured(b, func() int {
		return ahead(b, url, func(page *rawPage) int { return len(page.Data) })
	})
}

func BenchmarkNetHTTPAheadStructs(b *testing.B) {
	url := benchURL(b)
	measured(b, func() int {
		return ahead(b, url, func(page *structPage) int { return len(page.Data) })
	})
}

func BenchmarkNetHTTPOneByOneRaw(b *testing.B) {
	url := benchURL(b)
	client := &http.Client{}
	measured(b, func() (items int) {
		for page := 1; page <= benchPages; page++ {
			into := rawPage{}
			if err := fetch(client, url, page, &into); err != nil {
				b.Fatal(err)
			}
			items += len(into.Data)
		}
		return checked(b, items)
	})
}

func BenchmarkGet(b *testing.B) {
	p, err := Open(Config{BaseURL: benchURL(b)})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Get(context.Background(), "/items?page=1"); err != nil {
			b.Fatal(err)
		}
	}
}

func TestMain(m *testing.M) {
	if os.Getenv("VANTAGEPOOL_SERVE") != "" {
		benchServer()
		return
	}
	code := m.Run()
	stopBenchServer()
	os.Exit(code)
}
