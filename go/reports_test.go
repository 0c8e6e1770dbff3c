package vantagepool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What others were told of packages that call C, tried here.

// mattn/go-sqlite3 #488, #681, #745: a context that is done after, or beside, a call ends another one.
func TestADoneContextEndsNoOtherCall(t *testing.T) {
	p := open(t, serve(t))
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			for range 100 {
				ctx, cancel := context.WithCancel(context.Background())
				_, err := p.Get(ctx, "/ok")
				cancel()
				if err != nil {
					t.Error(err)
				}
				go p.Get(ctx, "/ok")
				if _, err := p.Get(context.Background(), "/ok"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	calls.Wait()
}

// marcboeker/go-duckdb #132: of two goroutines one has its call cancelled.
func TestCancellingOneOfManyCallsEndsThatOne(t *testing.T) {
	a := serve(t)
	p := open(t, a)
	var calls sync.WaitGroup
	for range 20 {
		ctx, cancel := context.WithCancel(context.Background())
		calls.Go(func() {
			if _, err := p.Get(ctx, "/slow"); err != context.Canceled {
				t.Error(err)
			}
		})
		calls.Go(func() {
			if _, err := p.Get(context.Background(), "/late"); err != nil {
				t.Error(err)
			}
			cancel()
		})
	}
	calls.Wait()
}

// bytecodealliance/wasmtime-go #147 and wasmerio/wasmer-go #291, #364: what is still in use is collected.
func TestWhatIsInUseIsNotCollected(t *testing.T) {
	a := serve(t)
	// Nothing but the read refers to the pool.
	s := func() *Stream {
		p, err := Open(Config{BaseURL: a.URL, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		s, err := p.Stream("/items", &StreamOptions{BatchItems: 1})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}()
	defer s.Close()
	for range 10 {
		runtime.GC()
		batch, err := s.Next(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		runtime.GC()
		if string(batch.Items[0][:6]) != `{"id":` {
			t.Fatalf("%s", batch.Items[0])
		}
	}
	// A call that is under way keeps its pool.
	p, err := Open(Config{BaseURL: a.URL, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	collected := make(chan struct{})
	go func() {
		defer close(collected)
		for range 5 {
			runtime.GC()
			time.Sleep(10 * time.Millisecond)
		}
	}()
	if _, err := p.Get(context.Background(), "/late"); err != nil {
		t.Fatal(err)
	}
	<-collected
}

// duckdb/duckdb-go #182: a panic of the caller, that it recovers, leaves something running.
func TestAPanicInALoopEndsTheRead(t *testing.T) {
	a := serve(t)
	p := open(t, a)
	p.Get(context.Background(), "/ok")
	before := OpenHandles()
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is gone")
			}
		}()
		for range p.Items(context.Background(), "/slowitems", nil) {
			panic("mine")
		}
	}()
	until(t, "the read is closed", func() bool { return OpenHandles() == before })
	// That of events.
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-done:
				return
			default:
				p.Get(context.Background(), "/ok")
			}
		}
	}()
	left := make(chan struct{})
	go func() {
		defer close(left)
		for range p.Events(context.Background()) {
			runtime.Goexit()
		}
	}()
	<-left
	close(done)
	until(t, "the subscription has ended", func() bool { return len(p.in.queue.room) == 0 })
	until(t, "nothing of it is left", func() bool { return OpenHandles() == before })
	until(t, "its requests have ended", func() bool { return a.gone.Load() == a.begun.Load() })
}

// duckdb/duckdb-go #172 and mattn/go-sqlite3 #863: a call returns long after its context is done.
func TestADoneContextReturnsAtOnce(t *testing.T) {
	a := serve(t)
	p := open(t, a)
	kv, err := OpenKV(filepath.Join(t.TempDir(), "values.redb"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer kv.Close()
	start := time.Now()
	for range 50 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		if _, err := p.Get(ctx, "/slow"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if err := kv.Put(ctx, "a", nil, 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		cancel()
	}
	// With a poll of half a second it would be 25 s.
	if took := time.Since(start); took > 20*time.Second {
		t.Fatal("it took", took)
	}
}

// marcboeker/go-duckdb #60: a context that is done before the call is looked at.
func TestADoneContextSendsNothing(t *testing.T) {
	a := serve(t)
	p := open(t, a)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Get(ctx, "/slow"); err != context.Canceled {
		t.Fatal(err)
	}
	for _, err := range p.Items(ctx, "/slow", nil) {
		if err != context.Canceled {
			t.Fatal(err)
		}
	}
	if a.begun.Load() != 0 {
		t.Fatal("a request was sent")
	}
}

// confluentinc/confluent-kafka-go #455, #463 and segmentio/kafka-go #428: closing, again and again with
// calls under way, hangs.
func TestClosingWithCallsUnderWayEnds(t *testing.T) {
	a := serve(t)
	handles := OpenHandles()
	for range 20 {
		p, err := Open(Config{BaseURL: a.URL, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		var calls sync.WaitGroup
		for range 5 {
			calls.Go(func() {
				if _, err := p.Get(context.Background(), "/slow"); !errors.Is(err, ErrClosed) {
					t.Error(err)
				}
			})
			calls.Go(func() {
				for _, err := range p.Items(context.Background(), "/items", nil) {
					if err != nil && !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
				}
			})
		}
		begun := a.begun.Load()
		until(t, "a call is under way", func() bool { return a.begun.Load() > begun || len(p.in.queue.room) > 0 })
		now, cancel := context.WithCancel(context.Background())
		cancel()
		if err := p.Shutdown(now); err != nil {
			t.Fatal(err)
		}
		calls.Wait()
	}
	until(t, "nothing is left", func() bool { return OpenHandles() <= handles })
}

// golang/go #21092, hashicorp/hcl #336, tpjg/goriakpbc #36 and goccy/go-json #167: memory that is decoded
// into again holds what is left of before, or changes what was given away.
func TestDecodedItemsAreTheirOwn(t *testing.T) {
	p, ctx := open(t, serve(t)), context.Background()
	options := &StreamOptions{BatchItems: 1}
	var pointers []*item
	for value, err := range ItemsAs[*item](ctx, p, "/items", options) {
		if err != nil {
			t.Fatal(err)
		}
		pointers = append(pointers, value)
	}
	var maps []map[string]json.RawMessage
	for value, err := range ItemsAs[map[string]json.RawMessage](ctx, p, "/items", options) {
		if err != nil {
			t.Fatal(err)
		}
		maps = append(maps, value)
	}
	if len(pointers) != 1000 || len(maps) != 1000 {
		t.Fatal(len(pointers), len(maps))
	}
	for i := range 1000 {
		if pointers[i].ID != i || pointers[i].Name != fmt.Sprint("item ", i) {
			t.Fatal(i, *pointers[i])
		}
		if len(maps[i]) != 2 || string(maps[i]["id"]) != fmt.Sprint(i) {
			t.Fatal(i, maps[i])
		}
	}
}

// Azure/go-autorest #240 and deephaven/deephaven-core #5539: beside the replacement of a token calls go
// out with an older one.
func TestNoCallBeginsWithATokenThatWasReplaced(t *testing.T) {
	p, err := Open(Config{BaseURL: serve(t).URL, Auth: Bearer("0")})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const last = 50
	var set atomic.Int64
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			for is := int64(0); is < last; {
				least := set.Load()
				r, err := p.Get(context.Background(), "/auth")
				if err != nil {
					t.Error(err)
					return
				}
				is, _ = strconv.ParseInt(strings.TrimPrefix(string(r.Body), "Bearer "), 10, 64)
				if is < least {
					t.Error("sent", is, "after", least)
				}
			}
		})
	}
	for token := int64(1); token <= last; token++ {
		if err := p.SetToken(0, strconv.FormatInt(token, 10)); err != nil {
			t.Fatal(err)
		}
		set.Store(token)
	}
	calls.Wait()
}
