package vantagepool

// #include <vantage_pool.h>
import "C"

import (
	"cmp"
	"context"
	"encoding/json"
	"iter"
	"math"
	"runtime"
	"sync"
	"time"
)

// How long Close lets calls end that are under way.
const closeDrain = 10 * time.Second

// What the library has where the settings have none.
const defaultCallTimeout = 120 * time.Second

// Config has the settings of a pool. Zero is the default of each.
type Config struct {
	// BaseURL is the address of the API, which is required.
	BaseURL string `json:"base_url"`
	// Auth is how the pool signs in: Bearer, BearerEnv, Basic, Header, or another map that the
	// library takes.
	Auth map[string]any `json:"auth,omitempty"`
	// Headers go with each request.
	Headers map[string]string `json:"default_headers,omitempty"`
	// Workers is the number of threads: 3.
	Workers int `json:"workers,omitempty"`
	// ConnectionsPerWorker times Workers requests are on the wire at a time: 32.
	ConnectionsPerWorker int `json:"connections_per_worker,omitempty"`
	// RateLimit is how many requests per second are sent: as many as can be.
	RateLimit float64 `json:"rate_limit,omitempty"`
	// UseDampener adapts the rate to refusals: false.
	UseDampener bool `json:"use_dampener,omitempty"`
	// MaxAttempts is how often a call is attempted: 3.
	MaxAttempts int `json:"max_attempts,omitempty"`
	// CallTimeout is how long a call may take as a whole, if its context has no earlier deadline: 120 s.
	CallTimeout time.Duration `json:"-"`
	// AttemptTimeout is how long one attempt may take: 30 s.
	AttemptTimeout time.Duration `json:"-"`
	// SigningKey signs resume tokens, in at least 32 random bytes: a random one for each process.
	SigningKey string `json:"signing_key,omitempty"`
	// Settings has all other settings by their names in the library, such as "circuit_breaker". Its
	// values replace those of the fields above.
	Settings map[string]any `json:"-"`
}

// Bearer signs in with a bearer token.
func Bearer(token string) map[string]any {
	return map[string]any{"bearer": token}
}

// BearerEnv signs in with the bearer token in a variable of the environment.
func BearerEnv(name string) map[string]any {
	return map[string]any{"bearer": map[string]any{"env": name}}
}

// Basic signs in with a user name and a password.
func Basic(user, password string) map[string]any {
	return map[string]any{"basic": map[string]any{"user": user, "password": password}}
}

// Header signs in with a key in a header.
func Header(name, value string) map[string]any {
	return map[string]any{"header": map[string]any{"name": name, "value": value}}
}

// text is the config for the library.
func (c Config) text() (string, error) {
	fields, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	all := map[string]any{}
	if err := json.Unmarshal(fields, &all); err != nil {
		return "", err
	}
	if c.CallTimeout != 0 {
		all["call_timeout"] = c.CallTimeout.Seconds()
	}
	if c.AttemptTimeout != 0 {
		all["attempt_timeout"] = c.AttemptTimeout.Seconds()
	}
	for name, value := range c.Settings {
		all[name] = value
	}
	text, err := json.Marshal(all)
	return string(text), err
}

// Pool is a pool of connections to one API. Its methods may be called by any number of goroutines.
type Pool struct{ in *pool }

// pool is what stays when a Pool was forgotten.
type pool struct {
	handle C.vap_handle
	queue  *queue
	once   sync.Once
	err    error
	// callTimeout is that of the settings, or the longest if it is not known.
	callTimeout time.Duration
}

// Open opens a pool. Nothing is sent.
func Open(config Config) (*Pool, error) {
	text, err := config.text()
	if err != nil {
		return nil, err
	}
	p, err := OpenYAML(text)
	if _, isSetting := config.Settings["call_timeout"]; err == nil && !isSetting {
		p.in.callTimeout = cmp.Or(config.CallTimeout, defaultCallTimeout)
	}
	return p, err
}

// OpenYAML opens a pool with settings in YAML or JSON, as a file may have them. With it, and where
// Settings of a [Config] have it, a deadline of a context takes the place of `call_timeout`, also if it
// is later.
func OpenYAML(config string) (*Pool, error) {
	var handle C.vap_handle
	var err *C.vap_error
	p, n := text(config)
	if C.vap_pool_open(p, n, &handle, &err) != C.VAP_OK {
		return nil, failed(err)
	}
	q, fail := newQueue(capacity)
	if fail != nil {
		_ = closed(handle)
		return nil, fail
	}
	in := &pool{handle: handle, queue: q, callTimeout: math.MaxInt64}
	out := &Pool{in}
	runtime.AddCleanup(out, (*pool).forgotten, in)
	return out, nil
}

// close ends the pool; true the first time.
func (p *pool) close(drain time.Duration) (first bool) {
	p.once.Do(func() {
		first = true
		var err *C.vap_error
		handle := p.handle
		if C.vap_pool_close(&handle, millis(drain), &err) != C.VAP_OK {
			p.err = failed(err)
		}
		p.queue.close()
	})
	return first
}

// forgotten closes a pool that is garbage.
func (p *pool) forgotten() {
	// Cleanups must not wait.
	go func() {
		if p.close(0) {
			tellForgotten("a pool")
		}
	}()
}

// Close ends the pool: calls under way may end within 10 seconds, others fail with ErrClosed. It
// waits for that, and does nothing the second time.
func (p *Pool) Close() error {
	p.in.close(closeDrain)
	runtime.KeepAlive(p)
	return p.in.err
}

// Shutdown is Close with the time that the context leaves to calls under way; none if it is done.
func (p *Pool) Shutdown(ctx context.Context) error {
	drain := time.Duration(0)
	if deadline, ok := ctx.Deadline(); ok {
		drain = time.Until(deadline)
	} else if ctx.Err() == nil {
		drain = closeDrain
	}
	p.in.close(drain)
	runtime.KeepAlive(p)
	return p.in.err
}

// Stats returns what the pool has done, as a map in JSON, whose keys vantage_pool.h lists.
func (p *Pool) Stats() (json.RawMessage, error) {
	var buf C.vap_buf
	var err *C.vap_error
	code := C.vap_pool_stats(p.in.handle, &buf, &err)
	runtime.KeepAlive(p)
	if code != C.VAP_OK {
		return nil, failed(err)
	}
	return taken(&buf), nil
}

// SetRate sets the rate limit in requests per second; 0 takes it away.
func (p *Pool) SetRate(requestsPerSecond float64) error {
	var err *C.vap_error
	code := C.vap_pool_set_rate(p.in.handle, C.double(requestsPerSecond), &err)
	runtime.KeepAlive(p)
	if code != C.VAP_OK {
		return failed(err)
	}
	return nil
}

// Resize sets the number of workers.
func (p *Pool) Resize(workers int) error {
	var err *C.vap_error
	code := C.vap_pool_resize(p.in.handle, C.uint32_t(max(0, min(workers, 1<<20))), &err)
	runtime.KeepAlive(p)
	if code != C.VAP_OK {
		return failed(err)
	}
	return nil
}

// SetToken replaces the token of a number, from 0, by another one. The settings must have bearer tokens
// by value, as [Bearer] gives one. From when it returns no attempt begins with the old one.
func (p *Pool) SetToken(slot int, token string) error {
	if slot < 0 || slot > math.MaxUint32 {
		// No pool has that many.
		slot = math.MaxUint32
	}
	var err *C.vap_error
	t, tn := text(token)
	code := C.vap_pool_set_token(p.in.handle, C.uint32_t(slot), t, tn, &err)
	runtime.KeepAlive(p)
	if code != C.VAP_OK {
		return failed(err)
	}
	return nil
}

// Event is something that happened in a pool.
type Event struct {
	// Name says what, such as "attempt_ended" or "page_read".
	Name string
	// Data has the whole event in JSON, whose keys vantage_pool.h lists.
	Data json.RawMessage
}

// Events yields what happens in the pool from the first iteration on, until the context is done, the
// pool is closed, or the loop is left. A loop that falls behind by a thousand events misses some.
func (p *Pool) Events(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		q := p.in.queue
		submit := func(queue C.vap_handle, tag C.uint64_t, op *C.vap_handle, err **C.vap_error) C.int32_t {
			return C.vap_events_open(p.in.handle, queue, tag, op, err)
		}
		// Of a pool that is closed there are none.
		_ = q.each(ctx, submit, func(data []byte) bool {
			var named struct {
				Event string `json:"event"`
			}
			_ = json.Unmarshal(data, &named)
			return yield(Event{named.Event, data})
		})
		runtime.KeepAlive(p)
	}
}

// each gives what an operation tells to a function, until that returns false, the context is done or
// the operation has ended.
func (q *queue) each(ctx context.Context, submit submission, take func([]byte) bool) error {
	ch := make(chan completion, eventsKept)
	op, err := q.start(ctx, ch, submit)
	if err != nil {
		return err
	}
	ctx, leave := context.WithCancel(ctx)
	hasEnded := false
	next := func() completion {
		c := q.await(ctx, op, ch)
		hasEnded = c.what != C.VAP_EVENT && c.what != C.VAP_PROGRESS
		return c
	}
	// Also if take panics or ends its goroutine.
	defer func() {
		leave()
		for !hasEnded {
			c := next()
			c.drop()
		}
	}()
	for {
		c := next()
		if hasEnded || ctx.Err() != nil {
			c.drop()
			return nil
		}
		data, err := takenResult(c.result)
		if err == nil && !take(data) {
			return nil
		}
	}
}
