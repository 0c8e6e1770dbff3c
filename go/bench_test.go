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

// The same pages in order, read by this package and by net/http, with as many requests at a time, or
// by net/http one after the other. `items/cpu-s` is what counts: items per second of CPU of this
// process, in which the server is not, as it runs in one of its own, which the benchmarks start. Items
// have about 250 bytes each, as usual, or, as `small`, 30.

// cpu is the time that this process has had, in seconds.
func cpu() float64 {
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(used.Utime) + seconds(used.Stime)
}

const (
	benchPages = 2000
	inFlight   = 32
)

type city struct {
	ID         int    `json:"id"`
	Name       string `json:"name"`
	Country    string `json:"country"`
	Population int    `json:"population"`
	IsCapital  bool   `json:"is_capital"`
	Place      struct {
		Lat float64 `json:"lat"`
		Lon float64 `json:"lon"`
	} `json:"place"`
	UpdatedAt string `json:"updated_at"`
	Notes     string `json:"notes"`
}

func (c city) id() int { return c.ID }
func (i item) id() int { return i.ID }

func cityOf(id int) city {
	c := city{
		ID: id, Name: fmt.Sprint("city ", id), Country: fmt.Sprint("country ", id%50),
		Population: 1000 + 7*id, IsCapital: id%50 == 0, UpdatedAt: "2026-11-30T18:20:31Z",
		Notes: `a text of some length, as most items have one, with a "quote" in it`,
	}
	c.Place.Lat, c.Place.Lon = float64(id%180)-89.875, float64(id%360)-179.75
	return c
}

// benchPagesOf are all pages of items that are made of their numbers, from 1 on.
func benchPagesOf[T any](of func(id int) T) [][]byte {
	pages := make([][]byte, benchPages+1)
	for page := 1; page <= benchPages; page++ {
		items := make([]T, 0, perPage)
		for id := (page - 1) * perPage; id < page*perPage; id++ {
			items = append(items, of(id))
		}
		pages[page], _ = json.Marshal(map[string]any{
			"data": items,
			"pagination": map[string]any{
				"page": page, "per_page": perPage, "total": benchPages * perPage,
				"total_pages": benchPages, "has_next": page < benchPages,
			},
		})
	}
	return pages
}

// benchServer serves until its input ends; see TestMain.
func benchServer() {
	serveFixed(map[string][][]byte{
		"/cities": benchPagesOf(cityOf),
		"/small":  benchPagesOf(func(id int) item { return item{id, fmt.Sprint("item ", id)} }),
	})
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

// benchPool is set for one large read: one worker wakes less than several.
func benchPool(b *testing.B) *Pool {
	p, err := Open(Config{BaseURL: benchURL(b), Workers: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Close() })
	return p
}

var benchOptions = &StreamOptions{Prefetch: inFlight, BatchItems: 4000}

func poolRaw(b *testing.B, path string) {
	p := benchPool(b)
	measured(b, func() (items int) {
		for _, err := range p.Items(context.Background(), path, benchOptions) {
			if err != nil {
				b.Fatal(err)
			}
			items++
		}
		return checked(b, items)
	})
}

func poolStructs[T interface{ id() int }](b *testing.B, path string) {
	p := benchPool(b)
	measured(b, func() (items int) {
		for value, err := range ItemsAs[T](context.Background(), p, path, benchOptions) {
			if err != nil || value.id() != items {
				b.Fatal(value, err)
			}
			items++
		}
		return checked(b, items)
	})
}

func BenchmarkPoolRaw(b *testing.B)          { poolRaw(b, "/cities") }
func BenchmarkPoolRawSmall(b *testing.B)     { poolRaw(b, "/small") }
func BenchmarkPoolStructs(b *testing.B)      { poolStructs[city](b, "/cities") }
func BenchmarkPoolStructsSmall(b *testing.B) { poolStructs[item](b, "/small") }

// pageOf is a page as net/http's side decodes it.
type pageOf[T any] struct {
	Data       []T `json:"data"`
	Pagination struct {
		TotalPages int `json:"total_pages"`
	} `json:"pagination"`
}

// fetch gets a page with net/http.
func fetch(client *http.Client, url string, page int, into any) error {
	response, err := client.Get(fmt.Sprintf("%s?page=%d", url, page))
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

// ahead reads all pages with so many requests at a time, and takes them in order.
func ahead[T any](b *testing.B, url string) (count int) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: inFlight}}
	defer client.CloseIdleConnections()
	turns := make(chan struct{}, inFlight)
	arrived := make([]chan *pageOf[T], benchPages+1)
	for page := range arrived {
		arrived[page] = make(chan *pageOf[T], 1)
	}
	var calls sync.WaitGroup
	calls.Go(func() {
		for page := 1; page <= benchPages; page++ {
			turns <- struct{}{}
			calls.Go(func() {
				into := new(pageOf[T])
				if err := fetch(client, url, page, into); err != nil {
					b.Error(err)
				}
				arrived[page] <- into
			})
		}
	})
	for page := 1; page <= benchPages; page++ {
		count += len((<-arrived[page]).Data)
		<-turns
	}
	calls.Wait()
	return checked(b, count)
}

func aheadOf[T any](b *testing.B, path string) {
	url := benchURL(b) + path
	measured(b, func() int { return ahead[T](b, url) })
}

func BenchmarkNetHTTPAheadRaw(b *testing.B)          { aheadOf[json.RawMessage](b, "/cities") }
func BenchmarkNetHTTPAheadRawSmall(b *testing.B)     { aheadOf[json.RawMessage](b, "/small") }
func BenchmarkNetHTTPAheadStructs(b *testing.B)      { aheadOf[city](b, "/cities") }
func BenchmarkNetHTTPAheadStructsSmall(b *testing.B) { aheadOf[item](b, "/small") }

func BenchmarkNetHTTPOneByOneRaw(b *testing.B) {
	url := benchURL(b) + "/cities"
	client := &http.Client{}
	measured(b, func() (items int) {
		for page := 1; page <= benchPages; page++ {
			into := pageOf[json.RawMessage]{}
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
		if _, err := p.Get(context.Background(), "/small?page=1"); err != nil {
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
