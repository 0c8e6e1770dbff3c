package vantagepool

// #include <vantage_pool.h>
import "C"

import (
	"context"
	"encoding/json"
	"runtime"
	"sync/atomic"
)

// Job copies an API into a database or files, as a description says.
type Job struct{ in *job }

type job struct {
	handle   C.vap_handle
	isClosed atomic.Bool
}

// Counts is what a stream of a job has counted.
type Counts struct {
	Pages    uint64 `json:"pages"`
	Read     uint64 `json:"read"`
	Written  uint64 `json:"written"`
	Rejected uint64 `json:"rejected"`
}

// Report is what a run of a job did.
type Report struct {
	Job     string         `json:"job"`
	Streams []StreamReport `json:"streams"`
}

// StreamReport is what a stream did in a run.
type StreamReport struct {
	Stream string `json:"stream"`
	Run    uint64 `json:"run"`
	// Outcome is "complete", "stopped" or "failed".
	Outcome string `json:"outcome"`
	// Error is why it failed.
	Error   string   `json:"error"`
	Counts  Counts   `json:"counts"`
	Remarks []string `json:"remarks"`
	Seconds float64  `json:"seconds"`
}

// Progress is what a stream of a job has committed so far in a run.
type Progress struct {
	Stream string `json:"stream"`
	Run    uint64 `json:"run"`
	Counts Counts `json:"counts"`
}

// OpenJob opens a job of a description in YAML. variables are the values of its ${NAME}; others are
// looked up in the environment.
func OpenJob(description, name string, variables map[string]string) (*Job, error) {
	if variables == nil {
		variables = map[string]string{}
	}
	values, fail := json.Marshal(variables)
	if fail != nil {
		return nil, fail
	}
	in := &job{}
	var err *C.vap_error
	d, dn := text(description)
	v, vn := text(string(values))
	n, nn := text(name)
	if C.vap_job_open(d, dn, v, vn, n, nn, &in.handle, &err) != C.VAP_OK {
		return nil, failed(err)
	}
	out := &Job{in}
	runtime.AddCleanup(out, (*job).forgotten, in)
	return out, nil
}

// Close lets a run commit what it has read and end. A second time does nothing.
func (j *Job) Close() error {
	err := j.in.close()
	runtime.KeepAlive(j)
	return err
}

func (j *job) close() error {
	if j.isClosed.Swap(true) {
		return nil
	}
	return closed(j.handle)
}

func (j *job) forgotten() {
	if !j.isClosed.Load() {
		_ = j.close()
		tellForgotten("a job")
	}
}

// Start starts a run; ErrBusy if there is one.
func (j *Job) Start() error {
	var err *C.vap_error
	code := C.vap_job_start(j.in.handle, &err)
	runtime.KeepAlive(j)
	if code != C.VAP_OK {
		return failed(err)
	}
	return nil
}

// Stop has the run commit what was read, and end. The next one goes on there.
func (j *Job) Stop() error {
	var err *C.vap_error
	code := C.vap_job_stop(j.in.handle, &err)
	runtime.KeepAlive(j)
	if code != C.VAP_OK {
		return failed(err)
	}
	return nil
}

// Wait waits for the end of the run and returns its report, with ErrIncomplete if a stream has
// stopped or failed.
func (j *Job) Wait(ctx context.Context) (*Report, error) {
	var buf C.vap_buf
	code, err := blocking(ctx, func(cancel C.vap_handle, err **C.vap_error) C.int32_t {
		return C.vap_job_wait(j.in.handle, forever, cancel, &buf, err)
	})
	runtime.KeepAlive(j)
	if err != nil {
		return nil, err
	}
	report := &Report{}
	if err := json.Unmarshal(taken(&buf), report); err != nil {
		return nil, err
	}
	if code == C.VAP_INCOMPLETE {
		return report, ErrIncomplete
	}
	return report, nil
}

// Run starts a run, gives what streams have committed to watch, which may be nil, and returns its
// report as Wait. A watch that lags behind misses some of it, but never the last of a stream. When the context is done it stops the run, waits until what was read is committed, and returns
// [context.Cause].
func (j *Job) Run(ctx context.Context, watch func(Progress)) (*Report, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	err := j.Start()
	if err != nil {
		return nil, err
	}
	var report *Report
	defer func() {
		// Also if watch panics or ends its goroutine.
		if report == nil {
			_ = j.Stop()
		}
	}()
	stop := context.AfterFunc(ctx, func() { C.vap_job_stop(j.in.handle, nil) })
	defer stop()
	if watch != nil {
		if err = j.watch(watch); err != nil {
			return nil, err
		}
	}
	report, err = j.Wait(context.Background())
	if ctx.Err() != nil && err == ErrIncomplete {
		err = context.Cause(ctx)
	}
	return report, err
}

// watch gives each commit of the run to a function.
func (j *Job) watch(watch func(Progress)) error {
	q, err := newQueue(eventsKept)
	if err != nil {
		return err
	}
	defer q.close()
	submit := func(queue C.vap_handle, tag C.uint64_t, op *C.vap_handle, err **C.vap_error) C.int32_t {
		return C.vap_job_watch(j.in.handle, queue, tag, op, err)
	}
	// How it ended is in the report of Wait.
	return q.each(context.Background(), submit, func(data []byte) bool {
		var progress Progress
		if json.Unmarshal(data, &progress) == nil {
			watch(progress)
		}
		return true
	})
}
