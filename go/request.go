package vantagepool

// #include <vantage_pool.h>
import "C"

import (
	"context"
	"encoding/json"
	"net/textproto"
	"net/url"
	"runtime"
	"strings"
	"time"
)

// Priority says which calls go first of those that wait.
type Priority int

const (
	Low    Priority = -1
	Normal Priority = 0
	High   Priority = 1
)

// Request is a call to be made.
type Request struct {
	// Method is GET if it is empty.
	Method string
	// Path is below the base URL, and may have a query.
	Path string
	// Query is added to the query of the path.
	Query url.Values
	// Header has one value for each name.
	Header map[string]string
	// Body is sent as it is; the header content-type says what it is.
	Body []byte
	// IdempotencyKey is sent as a header, and allows retries whatever the method.
	IdempotencyKey string
	// Priority is that among calls that wait.
	Priority Priority
}

// Response is a response that was read to its end.
type Response struct {
	// Status is the status, 200 to 299 unless the settings accept others.
	Status int
	// Header has all headers.
	Header textproto.MIMEHeader
	// Body is the body, in memory of Go.
	Body []byte
}

// JSON reads the body into a value.
func (r *Response) JSON(into any) error {
	return json.Unmarshal(r.Body, into)
}

// Get gets a path below the base URL, with an optional query.
func (p *Pool) Get(ctx context.Context, path string) (*Response, error) {
	return p.Do(ctx, &Request{Path: path})
}

// Do makes a call and returns its response. A response that is not a success is an error: see [Error].
func (p *Pool) Do(ctx context.Context, request *Request) (*Response, error) {
	enter()
	draft, err := request.draft(ctx, p.in.callTimeout)
	leave()
	if err != nil {
		return nil, err
	}
	submit := func(queue C.vap_handle, tag C.uint64_t, op *C.vap_handle, err **C.vap_error) C.int32_t {
		return C.vap_submit_send(p.in.handle, draft, forever, queue, tag, op, err)
	}
	c, err := p.in.queue.run(ctx, submit)
	runtime.KeepAlive(p)
	enter()
	defer leave()
	_ = closed(draft)
	if err != nil {
		return nil, err
	}
	return newResponse(c.result)
}

// draft makes the request in the library, which may take so long, or until the deadline of the context
// if that is earlier.
func (r *Request) draft(ctx context.Context, most time.Duration) (handle C.vap_handle, fail error) {
	var err *C.vap_error
	method := r.Method
	if method == "" {
		method = "GET"
	}
	m, mn := text(method)
	p, pn := text(r.Path)
	if C.vap_request_new(m, mn, p, pn, &handle, &err) != C.VAP_OK {
		return 0, failed(err)
	}
	defer func() {
		if fail != nil {
			_ = closed(handle)
		}
	}()
	for name, values := range r.Query {
		for _, value := range values {
			n, nn := text(name)
			v, vn := text(value)
			if C.vap_request_query(handle, n, nn, v, vn, &err) != C.VAP_OK {
				return 0, failed(err)
			}
		}
	}
	for name, value := range r.Header {
		n, nn := text(name)
		v, vn := text(value)
		if C.vap_request_header(handle, n, nn, v, vn, &err) != C.VAP_OK {
			return 0, failed(err)
		}
	}
	if r.Body != nil {
		b, bn := block(r.Body)
		if C.vap_request_body(handle, b, bn, &err) != C.VAP_OK {
			return 0, failed(err)
		}
	}
	if r.IdempotencyKey != "" {
		k, kn := text(r.IdempotencyKey)
		if C.vap_request_idempotency_key(handle, k, kn, &err) != C.VAP_OK {
			return 0, failed(err)
		}
	}
	if r.Priority != Normal {
		if C.vap_request_priority(handle, C.int32_t(r.Priority), &err) != C.VAP_OK {
			return 0, failed(err)
		}
	}
	if deadline, ok := ctx.Deadline(); ok {
		if C.vap_request_timeout_ms(handle, millis(min(time.Until(deadline), most)), &err) != C.VAP_OK {
			return 0, failed(err)
		}
	}
	return handle, nil
}

// newResponse copies a response and closes it.
func newResponse(handle C.vap_handle) (*Response, error) {
	defer closed(handle)
	var status C.int32_t
	var headers, body C.vap_buf
	var err *C.vap_error
	if C.vap_response_status(handle, &status, &err) != C.VAP_OK {
		return nil, failed(err)
	}
	if C.vap_response_headers(handle, &headers, &err) != C.VAP_OK {
		return nil, failed(err)
	}
	lines := string(taken(&headers))
	if C.vap_response_body(handle, &body, &err) != C.VAP_OK {
		return nil, failed(err)
	}
	r := &Response{Status: int(status), Header: textproto.MIMEHeader{}, Body: taken(&body)}
	for line := range strings.SplitSeq(lines, "\r\n") {
		if name, value, ok := strings.Cut(line, ": "); ok {
			r.Header.Add(name, value)
		}
	}
	return r, nil
}
