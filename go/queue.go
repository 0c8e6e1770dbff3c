package vantagepool

// #include <vantage_pool.h>
import "C"

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// How many operations of a pool are under way at a time. Further ones wait.
	capacity = 1 << 16
	// How many completions are taken at a time.
	drained = 64
	// How many events of a subscription wait to be read.
	eventsKept = 1024
)

// queue hands what was submitted to the library to the goroutines that wait for it.
type queue struct {
	handle C.vap_handle
	// room has an element for each operation that is under way.
	room chan struct{}
	// gone is closed when nothing more comes.
	gone chan struct{}

	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan completion
}

// completion is what has ended. It is zero if the queue was closed before.
type completion struct {
	result C.vap_handle
	err    *C.vap_error
	code   C.int32_t
	what   C.uint32_t
}

// one are channels of calls that have one completion each.
var one = sync.Pool{New: func() any { return make(chan completion, 1) }}

func newQueue(size int) (*queue, error) {
	q := &queue{
		room:    make(chan struct{}, size),
		gone:    make(chan struct{}),
		waiting: make(map[uint64]chan completion),
	}
	var err *C.vap_error
	if C.vap_queue_open(C.size_t(size), &q.handle, &err) != C.VAP_OK {
		return nil, failed(err)
	}
	go q.drain()
	return q, nil
}

// drain takes completions until the queue is closed.
func (q *queue) drain() {
	done := make([]C.vap_completion, drained)
	for {
		var count C.size_t
		var err *C.vap_error
		code := C.vap_queue_next(q.handle, &done[0], drained, &count, 60_000, &err)
		if code < 0 {
			C.vap_error_free(&err)
			close(q.gone)
			return
		}
		for i := range done[:count] {
			q.deliver(uint64(done[i].tag), completion{
				result: done[i].result,
				err:    done[i].error,
				code:   done[i].code,
				what:   done[i].what,
			})
		}
	}
}

// deliver gives a completion to who waits for it.
func (q *queue) deliver(tag uint64, c completion) {
	isLast := c.what != C.VAP_EVENT && c.what != C.VAP_PROGRESS
	q.mu.Lock()
	ch := q.waiting[tag]
	if isLast {
		delete(q.waiting, tag)
	}
	q.mu.Unlock()
	if isLast {
		<-q.room
	}
	if ch == nil {
		c.drop()
		return
	}
	if isLast {
		// There is always room for the last one.
		ch <- c
		return
	}
	if len(ch) < cap(ch)-1 {
		ch <- c
		return
	}
	if c.what != C.VAP_PROGRESS {
		c.drop()
		return
	}
	// Counts only grow, so what is told last says all.
	select {
	case old := <-ch:
		old.drop()
	default:
	}
	ch <- c
}

// drop closes what nobody takes.
func (c *completion) drop() {
	C.vap_error_free(&c.err)
	_ = closed(c.result)
}

// failure is why it failed, or nil.
func (c *completion) failure() error {
	if c.err != nil {
		return failed(c.err)
	}
	return nil
}

// submission starts an operation of this tag.
type submission func(queue C.vap_handle, tag C.uint64_t, op *C.vap_handle, err **C.vap_error) C.int32_t

// start submits an operation whose completions go to ch.
func (q *queue) start(ctx context.Context, ch chan completion, submit submission) (C.vap_handle, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	select {
	case q.room <- struct{}{}:
	default:
		select {
		case q.room <- struct{}{}:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-q.gone:
			return 0, ErrClosed
		}
	}
	q.mu.Lock()
	q.last++
	tag := q.last
	q.waiting[tag] = ch
	q.mu.Unlock()
	var op C.vap_handle
	var err *C.vap_error
	enter()
	code := submit(q.handle, C.uint64_t(tag), &op, &err)
	leave()
	if code != C.VAP_OK {
		q.mu.Lock()
		delete(q.waiting, tag)
		q.mu.Unlock()
		<-q.room
		return 0, failed(err)
	}
	return op, nil
}

// await waits for one completion of op; after the context is done for that of the cancellation, so
// that nothing is left behind.
func (q *queue) await(ctx context.Context, op C.vap_handle, ch chan completion) completion {
	select {
	case c := <-ch:
		return c
	case <-ctx.Done():
		enter()
		C.vap_op_cancel(op, nil)
		leave()
	case <-q.gone:
	}
	select {
	case c := <-ch:
		return c
	case <-q.gone:
		// It may have come just before.
		select {
		case c := <-ch:
			return c
		default:
			return completion{code: C.VAP_E_CLOSED}
		}
	}
}

// run submits an operation and waits for its end. An operation that has succeeded although the
// context is done has succeeded.
func (q *queue) run(ctx context.Context, submit submission) (completion, error) {
	ch := one.Get().(chan completion)
	op, err := q.start(ctx, ch, submit)
	if err != nil {
		one.Put(ch)
		return completion{}, err
	}
	c := q.await(ctx, op, ch)
	if c.what != 0 {
		one.Put(ch)
	}
	if c.code >= 0 {
		return c, nil
	}
	err = ErrClosed
	if c.err != nil {
		err = c.failure()
	}
	if ctx.Err() != nil && c.code == C.VAP_E_CANCELLED || isOfDeadline(ctx, err) {
		err = context.Cause(ctx)
	}
	return completion{}, err
}

// isOfDeadline says whether an error is that of the deadline of a context, of which the library was
// told. It may be there before the context is done, which is then waited for.
func isOfDeadline(ctx context.Context, err error) bool {
	deadline, ok := ctx.Deadline()
	if !ok || !errors.Is(err, context.DeadlineExceeded) || time.Until(deadline) > 0 {
		return false
	}
	<-ctx.Done()
	return true
}

// close ends what is under way.
func (q *queue) close() {
	_ = closed(q.handle)
	<-q.gone
}
