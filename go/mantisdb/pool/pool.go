// Package pool has the names of the connection pool of mantisDB over the key-value store of
// vantagepool, for programs that were written for it. New programs use [vantagepool.KV].
//
// The store is one file, which VANTAGE_KV_PATH in the environment names, or else a temporary one that
// is gone when the pool is closed. All connections see the same values, and a value that was set is on
// the disk. A connection is the right to be one of MaxConnections at a time.
package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"vantagepool"
)

var (
	// ErrPoolClosed is that of a pool that is closed.
	ErrPoolClosed = errors.New("connection pool is closed")
	// ErrPoolExhausted is that of Acquire if no connection is free within ConnectionTimeout.
	ErrPoolExhausted = errors.New("connection pool exhausted")
	// ErrConnectionFailed is that of a connection that was released.
	ErrConnectionFailed = errors.New("connection was released")
	// ErrNotFound is that of a key without a value.
	ErrNotFound = vantagepool.ErrNotFound
)

// The most connections of a pool.
const most = 1 << 16

// PoolConfig has the settings of a pool.
type PoolConfig struct {
	// MinConnections of those that are not in use are kept whatever MaxIdleTime.
	MinConnections int
	// MaxConnections, 1 to 65536, are in use at a time.
	MaxConnections int
	// MaxIdleTime is how long others are kept that are not in use.
	MaxIdleTime time.Duration
	// ConnectionTimeout is how long Acquire waits.
	ConnectionTimeout time.Duration
}

// DefaultPoolConfig returns 10 to 1,000 connections, 5 minutes and 10 seconds.
func DefaultPoolConfig() *PoolConfig {
	return &PoolConfig{10, 1000, 5 * time.Minute, 10 * time.Second}
}

// PoolStats is what a pool has and has done.
type PoolStats struct {
	TotalConnections    int
	ActiveConnections   int
	IdleConnections     int
	WaitCount           uint64
	AvgWaitTimeMs       uint64
	ConnectionsCreated  uint64
	ConnectionsClosed   uint64
	HealthCheckFailures uint64
}

// ConnectionPool is a store, and how many may use it at a time.
type ConnectionPool struct {
	kv     *vantagepool.KV
	config PoolConfig
	folder string
	turns  chan struct{}
	gone   chan struct{}

	mu     sync.Mutex
	closed bool
	// Since when each that is idle is, the oldest first.
	idle   []time.Time
	stats  PoolStats
	waited time.Duration
}

// NewConnectionPool opens the store; nil is DefaultPoolConfig.
func NewConnectionPool(config *PoolConfig) (*ConnectionPool, error) {
	if config == nil {
		config = DefaultPoolConfig()
	}
	if config.MaxConnections < 1 || config.MaxConnections > most {
		return nil, fmt.Errorf("MaxConnections: must be 1 to %d, not %d", most, config.MaxConnections)
	}
	if config.MinConnections < 0 || config.MinConnections > config.MaxConnections {
		return nil, fmt.Errorf("MinConnections: must be 0 to MaxConnections, not %d", config.MinConnections)
	}
	p := &ConnectionPool{
		config: *config,
		turns:  make(chan struct{}, config.MaxConnections),
		gone:   make(chan struct{}),
	}
	path := os.Getenv("VANTAGE_KV_PATH")
	if path == "" {
		folder, err := os.MkdirTemp("", "vantage-kv-")
		if err != nil {
			return nil, err
		}
		p.folder, path = folder, filepath.Join(folder, "values.redb")
	}
	kv, err := vantagepool.OpenKV(path, nil)
	if err != nil {
		return nil, errors.Join(err, p.clear())
	}
	p.kv = kv
	for range config.MinConnections {
		p.idle = append(p.idle, time.Now())
	}
	p.stats.ConnectionsCreated = uint64(config.MinConnections)
	return p, nil
}

// Acquire takes a connection, and waits for one for at most ConnectionTimeout.
func (p *ConnectionPool) Acquire(ctx context.Context) (*PooledConnection, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	start, hasWaited := time.Now(), false
	select {
	case p.turns <- struct{}{}:
	default:
		hasWaited = true
		timeout := time.NewTimer(p.config.ConnectionTimeout)
		defer timeout.Stop()
		select {
		case p.turns <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.gone:
			return nil, ErrPoolClosed
		case <-timeout.C:
			p.count(true, start)
			return nil, ErrPoolExhausted
		}
	}
	p.count(hasWaited, start)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		<-p.turns
		return nil, ErrPoolClosed
	}
	p.closeIdle()
	if n := len(p.idle); n > 0 {
		p.idle = p.idle[:n-1]
	} else {
		p.stats.ConnectionsCreated++
	}
	return &PooledConnection{pool: p}, nil
}

func (p *ConnectionPool) count(hasWaited bool, start time.Time) {
	if hasWaited {
		p.mu.Lock()
		p.stats.WaitCount++
		p.waited += time.Since(start)
		p.mu.Unlock()
	}
}

// closeIdle forgets connections that were idle for too long.
func (p *ConnectionPool) closeIdle() {
	most := max(0, len(p.idle)+len(p.turns)-p.config.MinConnections)
	old := 0
	for old < min(most, len(p.idle)) && time.Since(p.idle[old]) > p.config.MaxIdleTime {
		old++
	}
	p.idle = p.idle[old:]
	p.stats.ConnectionsClosed += uint64(old)
}

// Stats returns what the pool has and has done.
func (p *ConnectionPool) Stats() (*PoolStats, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrPoolClosed
	}
	p.closeIdle()
	stats := p.stats
	stats.ActiveConnections, stats.IdleConnections = len(p.turns), len(p.idle)
	stats.TotalConnections = stats.ActiveConnections + stats.IdleConnections
	if stats.WaitCount > 0 {
		stats.AvgWaitTimeMs = uint64(p.waited.Milliseconds()) / stats.WaitCount
	}
	return &stats, nil
}

// Close closes the store. Connections that were not released fail from then on.
func (p *ConnectionPool) Close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	p.mu.Unlock()
	close(p.gone)
	return errors.Join(p.kv.Close(), p.clear())
}

func (p *ConnectionPool) clear() error {
	if p.folder == "" {
		return nil
	}
	return os.RemoveAll(p.folder)
}

// PooledConnection is one of the uses of a store at a time.
type PooledConnection struct {
	pool     *ConnectionPool
	mu       sync.Mutex
	released bool
}

func (c *PooledConnection) kv() (*vantagepool.KV, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.released {
		return nil, ErrConnectionFailed
	}
	return c.pool.kv, nil
}

// Get returns the value of a key, or ErrNotFound.
func (c *PooledConnection) Get(ctx context.Context, key string) ([]byte, error) {
	kv, err := c.kv()
	if err != nil {
		return nil, err
	}
	return kv.Get(ctx, key)
}

// Set writes the value of a key.
func (c *PooledConnection) Set(ctx context.Context, key string, value []byte) error {
	kv, err := c.kv()
	if err != nil {
		return err
	}
	return kv.Put(ctx, key, value, 0)
}

// Delete deletes the value of a key, which need not be there.
func (c *PooledConnection) Delete(ctx context.Context, key string) error {
	kv, err := c.kv()
	if err != nil {
		return err
	}
	if err := kv.Delete(ctx, key); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	return nil
}

// Release gives the connection back. A second time does nothing.
func (c *PooledConnection) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.released {
		return
	}
	c.released = true
	p := c.pool
	p.mu.Lock()
	p.idle = append(p.idle, time.Now())
	p.mu.Unlock()
	<-p.turns
}

// Close is Release.
func (c *PooledConnection) Close() error {
	c.Release()
	return nil
}
