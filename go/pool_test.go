package vantagepool

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

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

// spacemonkeygo/openssl #88 and golang-fips/go #372: short calls have many threads on a busy machine.
func TestTenThousandCallsHaveFewThreads(t *testing.T) {
	// A server that accepts and never answers, and so has no threads of its own.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var begun atomic.Int64
	go func() {
		var all []net.Conn
		for {
			conn, err := listener.Accept()
			if err != nil {
				break
			}
			all = append(all, conn)
			begun.Add(1)
		}
		for _, conn := range all {
			conn.Close()
		}
	}()
	// Those of Go's own grow with the machine.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	created, running := pprof.Lookup("threadcreate").Count(), threads()
	p := open(t, &api{Server: &httptest.Server{URL: "http://" + listener.Addr().String()}})
	ctx, cancel := context.WithCancel(context.Background())
	var calls sync.WaitGroup
	for range 10_000 {
		calls.Go(func() {
			if _, err := p.Get(ctx, "/slow"); err != context.Canceled {
				t.Error(err)
			}
		})
	}
	until(t, "all connections are in use", func() bool { return begun.Load() >= 90 })
	until(t, "all calls are under way", func() bool { return len(p.in.queue.room) == 10_000 })
	t.Log(pprof.Lookup("threadcreate").Count()-created, "more threads of Go,", threads()-running, "of the system")
	if more := pprof.Lookup("threadcreate").Count() - created; more >= 50 {
		t.Error(more, "more threads of Go")
	}
	if more := threads() - running; more >= 50 {
		t.Error(more, "more threads of the system")
	}
	cancel()
	calls.Wait()
}

// threads is how many this process has, or 0 where that cannot be seen.
func threads() int {
	tasks, _ := os.ReadDir("/proc/self/task")
	return len(tasks)
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
	seen := false
	for event := range p.Events(context.Background()) {
		if event.Name == "attempt_ended" {
			seen = true
			var told struct{ Status int }
			if err := json.Unmarshal(event.Data, &told); err != nil || told.Status != 200 {
				t.Fatal(string(event.Data), err)
			}
			break
		}
	}
	calls <- true
	<-calls
	if !seen {
		t.Fatal("there were no events")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for event := range p.Events(ctx) {
		t.Fatal(event)
	}
}

// A deadline of which the library was told ends a call as one of Go's own does, and is no longer one
// than that of the settings.
func TestADeadlineIsTheCauseAndNeverALaterOne(t *testing.T) {
	a := serve(t)
	p := open(t, a)
	why := errors.New("took too long")
	for range 50 {
		ctx, cancel := context.WithTimeoutCause(context.Background(), 2*time.Millisecond, why)
		if _, err := p.Get(ctx, "/slow"); err != why {
			t.Fatal(err)
		}
		cancel()
	}
	short, err := Open(Config{BaseURL: a.URL, MaxAttempts: 1, CallTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer short.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	var e *Error
	if _, err := short.Get(ctx, "/slow"); !errors.As(err, &e) || e.Kind != "deadline_exceeded" || ctx.Err() != nil {
		t.Fatal(err)
	}
}

func TestATokenIsReplacedWhileThePoolRuns(t *testing.T) {
	a, ctx := serve(t), context.Background()
	p, err := Open(Config{BaseURL: a.URL, Auth: Bearer("first")})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, token := range []string{"first", "second", "third"} {
		if token != "first" {
			if err := p.SetToken(0, token); err != nil {
				t.Fatal(err)
			}
		}
		if r, err := p.Get(ctx, "/auth"); err != nil || string(r.Body) != "Bearer "+token {
			t.Fatal(r, err)
		}
	}
	for slot, token := range map[int]string{-1: "x", 1: "x", 1 << 40: "x", 0: "secret\n"} {
		if err := p.SetToken(slot, token); err == nil || strings.Contains(err.Error(), "secret") {
			t.Fatal(slot, err)
		}
	}
	other := open(t, a)
	if err := other.SetToken(0, "x"); err == nil {
		t.Fatal("there is no token to replace")
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
