// The steps of the quick start of mantisDB's pool, with its names.
package main

import (
	"context"
	"log"
	"time"

	"mantisDB/pool"
)

func main() {
	config := &pool.PoolConfig{
		MinConnections:    10,
		MaxConnections:    1000,
		MaxIdleTime:       5 * time.Minute,
		ConnectionTimeout: 10 * time.Second,
	}

	p, err := pool.NewConnectionPool(config)
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()

	ctx := context.Background()
	conn, err := p.Acquire(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Release()

	if err = conn.Set(ctx, "user:123", []byte("John Doe")); err != nil {
		log.Fatal(err)
	}
	value, err := conn.Get(ctx, "user:123")
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("%s", value)
	if err = conn.Delete(ctx, "user:123"); err != nil {
		log.Fatal(err)
	}

	stats, err := p.Stats()
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("Active: %d, Idle: %d, Avg Wait: %dms",
		stats.ActiveConnections,
		stats.IdleConnections,
		stats.AvgWaitTimeMs)
}
