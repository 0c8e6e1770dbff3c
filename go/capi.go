package vantagepool

/*
#include <vantage_pool.h>

#cgo noescape vap_close
#cgo nocallback vap_close
#cgo noescape vap_buf_free
#cgo nocallback vap_buf_free
#cgo noescape vap_buf_take
#cgo nocallback vap_buf_take
#cgo noescape vap_request_new
#cgo nocallback vap_request_new
#cgo noescape vap_response_status
#cgo nocallback vap_response_status
#cgo noescape vap_response_headers
#cgo nocallback vap_response_headers
#cgo noescape vap_response_body
#cgo nocallback vap_response_body
#cgo noescape vap_batch_items
#cgo nocallback vap_batch_items
#cgo noescape vap_batch_token
#cgo nocallback vap_batch_token
#cgo noescape vap_submit_send
#cgo nocallback vap_submit_send
#cgo noescape vap_submit_next
#cgo nocallback vap_submit_next
*/
import "C"

import (
	"log/slog"
	"sync"
	"time"
	"unsafe"
)

// The longest time that the library is told, about 49 days.
const forever = C.uint32_t(1<<32 - 1)

// short has an element for each goroutine that is in a call of the library which does not wait. They
// are few at a time, as each has a thread, and on a busy machine may have it for long.
var short = make(chan struct{}, 16)

func enter() { short <- struct{}{} }
func leave() { <-short }

var nothing [1]byte

// text is the address and the length of a string, for the length of a call.
func text(s string) (*C.char, C.size_t) {
	if s == "" {
		return (*C.char)(unsafe.Pointer(&nothing[0])), 0
	}
	return (*C.char)(unsafe.Pointer(unsafe.StringData(s))), C.size_t(len(s))
}

// block is the address and the length of bytes, for the length of a call.
func block(b []byte) (*C.uint8_t, C.size_t) {
	if len(b) == 0 {
		return (*C.uint8_t)(unsafe.Pointer(&nothing[0])), 0
	}
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(b))), C.size_t(len(b))
}

// taken copies bytes of the library and frees them.
func taken(buf *C.vap_buf) []byte {
	bytes := make([]byte, int(buf.len))
	copy(bytes, unsafe.Slice((*byte)(unsafe.Pointer(buf.ptr)), int(buf.len)))
	C.vap_buf_free(buf)
	return bytes
}

// takenResult copies the bytes behind a handle and closes it.
func takenResult(handle C.vap_handle) ([]byte, error) {
	var buf C.vap_buf
	var err *C.vap_error
	if C.vap_buf_take(handle, &buf, &err) != C.VAP_OK {
		return nil, failed(err)
	}
	return taken(&buf), nil
}

// closed closes a handle, if it is one.
func closed(handle C.vap_handle) error {
	var err *C.vap_error
	if C.vap_close(&handle, &err) != C.VAP_OK {
		return failed(err)
	}
	return nil
}

// millis is a duration for the library, at most forever.
func millis(d time.Duration) C.uint32_t {
	// Rounded up, so that a wait is not cut short by the rounding.
	ms := (d + time.Millisecond - 1) / time.Millisecond
	if ms < 0 {
		return 0
	}
	if ms > time.Duration(forever) {
		return forever
	}
	return C.uint32_t(ms)
}

// OpenHandles returns how many handles of the library are open in this process, for tests of leaks.
func OpenHandles() int {
	return int(C.vap_handles_open())
}

// Version returns the release of the library.
func Version() string {
	return C.GoString(C.vap_version())
}

var forgotten sync.Once

// tellForgotten says that something was garbage before it was closed. Once, as there may be many.
func tellForgotten(what string) {
	forgotten.Do(func() {
		slog.Warn("vantagepool: "+what+" was not closed; it is now, and further ones will be", "what", what)
	})
}
