package vantagepool

// #include <vantage_pool.h>
import "C"

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"runtime"
	"sync/atomic"
	"unsafe"
)

// StreamOptions has the settings of a read. Zero is the default of each.
type StreamOptions struct {
	// Prefetch is how many pages are in flight or in memory: 3.
	Prefetch int `json:"prefetch,omitempty"`
	// ByteBudget is how many bytes of pages are in memory: 64 MiB.
	ByteBudget int `json:"byte_budget,omitempty"`
	// Paging is how the API pages, such as {"by": "offset", "param": "skip"}: numbered pages.
	Paging map[string]any `json:"paging,omitempty"`
	// Envelope is where a page has its items, such as {"items": "result.rows"}: the usual places.
	Envelope map[string]any `json:"envelope,omitempty"`
	// Mode is "parallel", "overlap", "sequential" or "dedicated_thread": "parallel".
	Mode string `json:"mode,omitempty"`
	// Priority is "low", "normal" or "high": "normal".
	Priority string `json:"priority,omitempty"`
	// MaxRows, MaxPages and MaxPageItems are how much is read at most; more is an error.
	MaxRows      int `json:"max_rows,omitempty"`
	MaxPages     int `json:"max_pages,omitempty"`
	MaxPageItems int `json:"max_page_items,omitempty"`
	// Deadline is how long the read may take, such as "5m".
	Deadline string `json:"deadline,omitempty"`
	// Resume is the Token of a Batch, after which the read goes on.
	Resume string `json:"resume,omitempty"`
	// BatchItems and BatchBytes are how much a Batch has if that much has arrived, in whole pages:
	// 1,000 and 1 MiB.
	BatchItems int `json:"-"`
	BatchBytes int `json:"-"`
}

// Batch has the items of some pages.
type Batch struct {
	// Items has the text of each item as it came, in memory of Go.
	Items []json.RawMessage
	// Token is where the read goes on after them. It may hold secrets of the API's URLs.
	Token string
	// Page is the number of the last page, as the API counts.
	Page uint64
}

// Stream reads the items of a paged endpoint in order, with pages fetched ahead.
type Stream struct {
	in   *stream
	pool *Pool
}

type stream struct {
	handle       C.vap_handle
	isClosed     atomic.Bool
	items, bytes C.size_t
}

// Stream opens a read of an endpoint. Nothing is requested before the first Next. options may be nil.
func (p *Pool) Stream(path string, options *StreamOptions) (*Stream, error) {
	if options == nil {
		options = &StreamOptions{}
	}
	settings, fail := json.Marshal(options)
	if fail != nil {
		return nil, fail
	}
	in := &stream{
		items: C.size_t(max(options.BatchItems, 0)),
		bytes: C.size_t(max(options.BatchBytes, 0)),
	}
	var err *C.vap_error
	u, un := text(path)
	o, on := text(string(settings))
	code := C.vap_stream_open(p.in.handle, u, un, o, on, &in.handle, &err)
	runtime.KeepAlive(p)
	if code != C.VAP_OK {
		return nil, failed(err)
	}
	s := &Stream{in, p}
	runtime.AddCleanup(s, (*stream).forgotten, in)
	return s, nil
}

// Next waits for the next page, and returns it with those that have arrived besides. After the last
// one the error is [io.EOF]. After an error of the context the next call goes on; after any other the
// read has ended.
func (s *Stream) Next(ctx context.Context) (*Batch, error) {
	handle, err := s.next(ctx)
	if err != nil {
		return nil, err
	}
	return newBatch(handle)
}

// next waits for the next batch, which is to be closed.
func (s *Stream) next(ctx context.Context) (C.vap_handle, error) {
	submit := func(queue C.vap_handle, tag C.uint64_t, op *C.vap_handle, err **C.vap_error) C.int32_t {
		return C.vap_submit_next(s.in.handle, s.in.items, s.in.bytes, forever, queue, tag, op, err)
	}
	c, err := s.pool.in.queue.run(ctx, submit)
	runtime.KeepAlive(s)
	if err != nil {
		return 0, err
	}
	if c.code == C.VAP_END {
		return 0, io.EOF
	}
	return c.result, nil
}

// texts waits for the next batch and copies the texts of its items.
func (s *Stream) texts(ctx context.Context) ([]json.RawMessage, error) {
	handle, err := s.next(ctx)
	if err != nil {
		return nil, err
	}
	enter()
	defer leave()
	defer closed(handle)
	return copied(handle)
}

// list waits for the next batch and makes its items one list in JSON, in place of what is in these two:
// each item ends where ends says, before a comma or the bracket.
func (s *Stream) list(ctx context.Context, list []byte, ends []int) ([]byte, []int, error) {
	list, ends = append(list[:0], '['), ends[:0]
	handle, err := s.next(ctx)
	if err != nil {
		return list, ends, err
	}
	enter()
	defer leave()
	defer closed(handle)
	items, err := itemsOf(handle)
	if err != nil {
		return list, ends, err
	}
	for i := range items {
		if i > 0 {
			list = append(list, ',')
		}
		list = append(list, bytesOf(items[i])...)
		ends = append(ends, len(list))
	}
	return append(list, ']'), ends, nil
}

// Close ends the read and its requests. A second time does nothing.
func (s *Stream) Close() error {
	err := s.in.close()
	runtime.KeepAlive(s)
	return err
}

func (s *stream) close() error {
	if s.isClosed.Swap(true) {
		return nil
	}
	return closed(s.handle)
}

func (s *stream) forgotten() {
	if !s.isClosed.Load() {
		_ = s.close()
		tellForgotten("a stream")
	}
}

// newBatch copies a batch and closes it.
func newBatch(handle C.vap_handle) (*Batch, error) {
	enter()
	defer leave()
	defer closed(handle)
	var token C.vap_buf
	var page C.uint64_t
	var err *C.vap_error
	items, fail := copied(handle)
	if fail != nil {
		return nil, fail
	}
	if C.vap_batch_page(handle, &page, &err) != C.VAP_OK {
		return nil, failed(err)
	}
	if C.vap_batch_token(handle, &token, &err) != C.VAP_OK {
		return nil, failed(err)
	}
	return &Batch{Items: items, Token: string(taken(&token)), Page: uint64(page)}, nil
}

// itemsOf are the items of a batch, in memory of the library, which last as long as it.
func itemsOf(handle C.vap_handle) ([]C.vap_slice, error) {
	var items *C.vap_slice
	var count C.size_t
	var err *C.vap_error
	if C.vap_batch_items(handle, &items, &count, &err) != C.VAP_OK {
		return nil, failed(err)
	}
	return unsafe.Slice(items, int(count)), nil
}

// bytesOf are the bytes of an item, in memory of the library.
func bytesOf(item C.vap_slice) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(item.ptr)), int(item.len))
}

// copied copies the items of a batch into one piece of memory.
func copied(handle C.vap_handle) ([]json.RawMessage, error) {
	items, err := itemsOf(handle)
	if err != nil {
		return nil, err
	}
	size := 0
	for i := range items {
		size += int(items[i].len)
	}
	memory := make([]byte, 0, size)
	texts := make([]json.RawMessage, len(items))
	for i := range items {
		from := len(memory)
		memory = append(memory, bytesOf(items[i])...)
		texts[i] = memory[from:len(memory):len(memory)]
	}
	return texts, nil
}

// Items yields the items of a paged endpoint, in order, and at most one error, last. Leaving the loop
// ends the read. options may be nil.
func (p *Pool) Items(ctx context.Context, path string, options *StreamOptions) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		s, err := p.Stream(path, options)
		if err != nil {
			yield(nil, err)
			return
		}
		defer s.Close()
		for {
			texts, err := s.texts(ctx)
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			for _, text := range texts {
				if !yield(text, nil) {
					return
				}
			}
		}
	}
}

// ItemsAs yields the items of a paged endpoint as values of a type, as [Pool.Items] yields their
// texts. An item that is invalid ends it, with an error that is ErrDecode.
func ItemsAs[T any](ctx context.Context, p *Pool, path string, options *StreamOptions) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		s, err := p.Stream(path, options)
		if err != nil {
			yield(none, err)
			return
		}
		defer s.Close()
		var (
			list   []byte
			ends   []int
			values []T
		)
		for {
			list, ends, err = s.list(ctx, list, ends)
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(none, err)
				return
			}
			values, err = decoded(list, ends, values)
			for _, value := range values {
				if !yield(value, nil) {
					return
				}
			}
			if err != nil {
				yield(none, err)
				return
			}
		}
	}
}

// decoded decodes a list in one go, or else item by item up to the one that is wrong. It uses the memory
// of values.
func decoded[T any](list []byte, ends []int, values []T) ([]T, error) {
	// What is left in it would shine through where an item has no such field.
	clear(values[:cap(values)])
	values = values[:0]
	if json.Unmarshal(list, &values) == nil && len(values) == len(ends) {
		return values, nil
	}
	values = values[:0]
	start := 1
	for _, end := range ends {
		var value T
		if err := json.Unmarshal(list[start:end], &value); err != nil {
			return values, &decodeError{err}
		}
		values = append(values, value)
		start = end + 1
	}
	return values, nil
}

// decodeError is that of an item that is not of the type.
type decodeError struct{ err error }

func (e *decodeError) Error() string        { return "vantagepool: an item: " + e.err.Error() }
func (e *decodeError) Unwrap() error        { return e.err }
func (e *decodeError) Is(target error) bool { return target == ErrDecode }
