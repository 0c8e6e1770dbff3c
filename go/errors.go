package vantagepool

// #include <vantage_pool.h>
import "C"

import (
	"context"
	"time"
	"unsafe"
)

// kindError is an error that stands for all errors of a kind.
type kindError string

func (k kindError) Error() string { return "vantagepool: " + string(k) }

// Kinds of errors, for [errors.Is]. [Error.Kind] has more of them.
var (
	// ErrClosed is that of a call of something that is, or was meanwhile, closed.
	ErrClosed error = kindError("closed")
	// ErrConfig is that of settings that are not valid.
	ErrConfig error = kindError("config")
	// ErrStatus is that of a response that is not a success.
	ErrStatus error = kindError("status")
	// ErrRateLimited is that of a call that the API refused for its rate: it asked for too long a
	// wait, or the last attempt had the status 429.
	ErrRateLimited error = kindError("rate_limited")
	// ErrUnauthorized is that of a 401 which no new token has cured.
	ErrUnauthorized error = kindError("unauthorized")
	// ErrCircuitOpen is that of a call that was not made, as the circuit breaker is open.
	ErrCircuitOpen error = kindError("circuit_open")
	// ErrQueueFull is that of a call that was not accepted, as too many wait.
	ErrQueueFull error = kindError("queue_full")
	// ErrDecode is that of a body, or an item, that has another form.
	ErrDecode error = kindError("decode")
	// ErrNotFound is that of a key without a value.
	ErrNotFound error = kindError("not_found")
	// ErrBusy is that of something that another call uses.
	ErrBusy error = kindError("busy")
	// ErrIncomplete is that of a run of a job that has not read everything.
	ErrIncomplete error = kindError("incomplete_run")
)

// Delivery says what the server may have seen of a call that failed.
type Delivery int

const (
	// NotSent: no byte left this process.
	NotSent Delivery = iota
	// Unknown: some of it was sent, and no response came.
	Unknown
	// Answered: the server has responded.
	Answered
)

// Error is why a call failed. It holds no secret.
type Error struct {
	// Code is the code of the library, below 0.
	Code int
	// Kind is a stable name in lower case, such as "status" or "connect".
	Kind string
	// Message says what went wrong.
	Message string
	// Status is the status of the response, or 0.
	Status int
	// Attempts is how many attempts were made.
	Attempts int
	// RetryAfter is the wait that was asked for and was too long, or 0.
	RetryAfter time.Duration
	// Page is the page of a stream that failed, or -1.
	Page int64
	// Retryable says whether the same call may work later.
	Retryable bool
	// Delivery says what the server may have seen.
	Delivery Delivery
	// Body is the body of the response, or its beginning.
	Body []byte
}

func (e *Error) Error() string { return e.Message }

// Is says whether the error is of a kind, as ErrRateLimited. One of a deadline is also
// [context.DeadlineExceeded], one of a cancellation [context.Canceled].
func (e *Error) Is(target error) bool {
	switch target {
	case context.DeadlineExceeded:
		return e.Kind == "deadline_exceeded"
	case context.Canceled:
		return e.Kind == "cancelled"
	case ErrRateLimited:
		return e.Kind == "rate_limited" || e.Status == 429
	case ErrClosed:
		return e.Code == C.VAP_E_CLOSED || e.Code == C.VAP_E_HANDLE
	}
	kind, ok := target.(kindError)
	return ok && e.Kind == string(kind)
}

// failed takes an error of the library, which must be there.
func failed(err *C.vap_error) error {
	e := &Error{
		Code:      int(C.vap_error_code(err)),
		Kind:      C.GoString(C.vap_error_kind(err)),
		Message:   C.GoString(C.vap_error_message(err)),
		Status:    int(C.vap_error_status(err)),
		Attempts:  int(C.vap_error_attempts(err)),
		Page:      int64(C.vap_error_page(err)),
		Retryable: C.vap_error_is_retryable(err) != 0,
		Delivery:  Delivery(C.vap_error_delivery(err)),
	}
	if ms := int64(C.vap_error_retry_after_ms(err)); ms > 0 {
		e.RetryAfter = time.Duration(min(ms, int64(1<<62)/int64(time.Millisecond))) * time.Millisecond
	}
	var body *C.uint8_t
	if n := C.vap_error_body(err, &body); n > 0 {
		e.Body = C.GoBytes(unsafe.Pointer(body), C.int(n))
	}
	C.vap_error_free(&err)
	return e
}
