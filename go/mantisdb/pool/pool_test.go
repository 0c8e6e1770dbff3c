package pool

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"
)

func TestConnectionsAreBoundedAndShareTheirValues(t *testing.T) {
	ctx := context.Background()
	p, err := NewConnectionPool(&PoolConfig{1, 2, time.Minute, 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	first, err := p.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Set(ctx, "a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	if value, err := second.Get(ctx, "a"); err != nil || string(value) != "1" {
		t.Fatal(value, err)
	}
	if _, err := p.Acquire(ctx); err != ErrPoolExhausted {
		t.Fatal(err)
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := p.Acquire(short); err != context.Canceled {
		t.Fatal(err)
	}
	stats, err := p.Stats()
	if err != nil || stats.ActiveConnections != 2 || stats.IdleConnections != 0 || stats.WaitCount != 1 {
		t.Fatalf("%+v %v", stats, err)
	}
	second.Release()
	second.Close()
	if _, err := second.Get(ctx, "a"); err != ErrConnectionFailed {
		t.Fatal(err)
	}
	if err := errors.Join(first.Delete(ctx, "a"), first.Delete(ctx, "a")); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Get(ctx, "a"); err != ErrNotFound {
		t.Fatal(err)
	}
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Fatal(err)
	}
	if err := first.Set(ctx, "a", nil); err == nil {
		t.Fatal("the store is closed")
	}
	if _, err := p.Acquire(ctx); err != ErrPoolClosed {
		t.Fatal(err)
	}
	first.Release()
}

func TestTheEnvironmentNamesTheFile(t *testing.T) {
	t.Setenv("VANTAGE_KV_PATH", filepath.Join(t.TempDir(), "values.redb"))
	ctx := context.Background()
	for turn := range 2 {
		p, err := NewConnectionPool(nil)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := p.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if turn == 0 {
			err = conn.Set(ctx, "a", []byte("kept"))
		} else if value, fail := conn.Get(ctx, "a"); string(value) != "kept" {
			err = errors.Join(errors.New("it was not kept"), fail)
		}
		if err != nil {
			t.Fatal(err)
		}
		conn.Release()
		p.Close()
	}
	if _, err := NewConnectionPool(&PoolConfig{2, 1, 0, 0}); err == nil {
		t.Fatal("there are fewer than the least")
	}
	for _, config := range []PoolConfig{{0, 1 << 40, 0, 0}, {0, 0, 0, 0}, {-1, 1, 0, 0}} {
		if _, err := NewConnectionPool(&config); err == nil {
			t.Fatalf("%+v was accepted", config)
		}
	}
}
