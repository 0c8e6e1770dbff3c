package vantagepool

// #include <vantage_pool.h>
import "C"

import (
	"context"
	"encoding/json"
	"iter"
	"runtime"
	"sync/atomic"
	"time"
)

// How many calls of a store have a thread at a time. Those that write go to the disk together.
const kvThreads = 16

// KV is a key-value store in one file.
type KV struct{ in *kv }

type kv struct {
	handle   C.vap_handle
	turns    chan struct{}
	isClosed atomic.Bool
}

// KVOptions has the settings of a store. Zero is the default of each.
type KVOptions struct {
	// MaxValueBytes is how many bytes a value may have: 8 MiB, at most 64 MiB.
	MaxValueBytes int `json:"max_value_bytes,omitempty"`
	// CacheBytes is how many bytes of the file are kept in memory: 64 MiB.
	CacheBytes int `json:"cache_bytes,omitempty"`
	// MaxInFlightBytes is how many bytes of values may be on their way: 64 MiB. At least MaxValueBytes,
	// at most 4 GiB.
	MaxInFlightBytes int `json:"max_in_flight_bytes,omitempty"`
	// Quota is how many bytes all values may have together, each with 1 KiB more: no bound.
	Quota int64 `json:"quota,omitempty"`
	// Timeout is how long a call waits for its turn, and then for the disk, such as "5s": 10 s, at most
	// 1 h.
	Timeout string `json:"timeout,omitempty"`
}

// OpenKV opens the store in a file, or makes it: one process at a time. options may be nil.
func OpenKV(path string, options *KVOptions) (*KV, error) {
	if options == nil {
		options = &KVOptions{}
	}
	settings, fail := json.Marshal(options)
	if fail != nil {
		return nil, fail
	}
	in := &kv{turns: make(chan struct{}, kvThreads)}
	var err *C.vap_error
	f, fn := text(path)
	o, on := text(string(settings))
	if C.vap_kv_open(f, fn, o, on, &in.handle, &err) != C.VAP_OK {
		return nil, failed(err)
	}
	out := &KV{in}
	runtime.AddCleanup(out, (*kv).forgotten, in)
	return out, nil
}

// Close closes the file when calls that write have ended. A second time does nothing.
func (k *KV) Close() error {
	err := k.in.close()
	runtime.KeepAlive(k)
	return err
}

func (k *kv) close() error {
	if k.isClosed.Swap(true) {
		return nil
	}
	return closed(k.handle)
}

func (k *kv) forgotten() {
	if !k.isClosed.Load() {
		// It waits for the disk, which cleanups must not.
		go k.close()
		tellForgotten("a key-value store")
	}
}

// blocking runs a call that has a thread, which the context ends by a handle; 0 if it never is done.
func blocking(ctx context.Context, call func(cancel C.vap_handle, err **C.vap_error) C.int32_t) (C.int32_t, error) {
	var err *C.vap_error
	var cancel C.vap_handle
	if ctx.Done() != nil {
		if C.vap_cancel_new(&cancel, &err) != C.VAP_OK {
			return 0, failed(err)
		}
		// Once closed, the handle is nothing to cancel.
		stop := context.AfterFunc(ctx, func() { C.vap_cancel(cancel, nil) })
		defer func() {
			stop()
			_ = closed(cancel)
		}()
	}
	code := call(cancel, &err)
	if code >= 0 {
		return code, nil
	}
	fail := failed(err)
	if ctx.Err() != nil && code == C.VAP_E_CANCELLED {
		fail = context.Cause(ctx)
	}
	return code, fail
}

// call runs a call of the store when it is its turn.
func (k *KV) call(ctx context.Context, call func(cancel C.vap_handle, err **C.vap_error) C.int32_t) (C.int32_t, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	select {
	case k.in.turns <- struct{}{}:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	code, err := blocking(ctx, call)
	<-k.in.turns
	runtime.KeepAlive(k)
	if err == nil && code == C.VAP_NOT_FOUND {
		err = ErrNotFound
	}
	return code, err
}

// Get returns the value of a key, or ErrNotFound.
func (k *KV) Get(ctx context.Context, key string) ([]byte, error) {
	var buf C.vap_buf
	_, err := k.call(ctx, func(cancel C.vap_handle, err **C.vap_error) C.int32_t {
		p, n := text(key)
		return C.vap_kv_get(k.in.handle, p, n, forever, cancel, &buf, err)
	})
	if err != nil {
		return nil, err
	}
	return taken(&buf), nil
}

// Put writes the value of a key, which is on the disk when it returns. It is gone after ttl, unless
// that is 0. After an error of the context it may have been written.
func (k *KV) Put(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	_, err := k.call(ctx, func(cancel C.vap_handle, err **C.vap_error) C.int32_t {
		p, n := text(key)
		v, vn := block(value)
		ms := C.uint64_t(max(0, (ttl+time.Millisecond-1)/time.Millisecond))
		return C.vap_kv_put(k.in.handle, p, n, v, vn, ms, forever, cancel, err)
	})
	return err
}

// Delete deletes the value of a key, or returns ErrNotFound.
func (k *KV) Delete(ctx context.Context, key string) error {
	_, err := k.call(ctx, func(cancel C.vap_handle, err **C.vap_error) C.int32_t {
		p, n := text(key)
		return C.vap_kv_delete(k.in.handle, p, n, forever, cancel, err)
	})
	return err
}

// Entry is what is known of a value.
type Entry struct {
	Key         string `json:"key"`
	Size        int64  `json:"size"`
	ContentType string `json:"content_type"`
}

// Keys yields the keys that begin with prefix, in the order of their bytes, and at most one error,
// last.
func (k *KV) Keys(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		after := ""
		for {
			var buf C.vap_buf
			_, err := k.call(ctx, func(cancel C.vap_handle, err **C.vap_error) C.int32_t {
				p, pn := text(prefix)
				a, an := text(after)
				if after == "" {
					a = nil
				}
				return C.vap_kv_list(k.in.handle, p, pn, a, an, 1000, forever, cancel, &buf, err)
			})
			var page struct {
				Keys []Entry `json:"keys"`
				Next *string `json:"next"`
			}
			if err == nil {
				err = json.Unmarshal(taken(&buf), &page)
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
			for _, entry := range page.Keys {
				if !yield(entry, nil) {
					return
				}
			}
			if page.Next == nil {
				return
			}
			after = *page.Next
		}
	}
}

// Stats returns what the store has and has done, as a map in JSON, whose keys vantage_pool.h lists.
func (k *KV) Stats() (json.RawMessage, error) {
	var buf C.vap_buf
	var err *C.vap_error
	code := C.vap_kv_stats(k.in.handle, &buf, &err)
	runtime.KeepAlive(k)
	if code != C.VAP_OK {
		return nil, failed(err)
	}
	return taken(&buf), nil
}
