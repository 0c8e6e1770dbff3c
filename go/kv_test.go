package vantagepool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestValuesAreKept(t *testing.T) {
	path, ctx := filepath.Join(t.TempDir(), "values.redb"), context.Background()
	kv, err := OpenKV(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKV(path, nil); err == nil {
		t.Fatal("it was opened twice")
	}
	if _, err := kv.Get(ctx, "a"); err != ErrNotFound {
		t.Fatal(err)
	}
	var puts sync.WaitGroup
	for i := range 100 {
		puts.Go(func() {
			if err := kv.Put(ctx, fmt.Sprintf("n/%03d", i), []byte{byte(i), 0}, time.Hour); err != nil {
				t.Error(err)
			}
		})
	}
	puts.Wait()
	if err := kv.Put(ctx, "empty", nil, 0); err != nil {
		t.Fatal(err)
	}
	if value, err := kv.Get(ctx, "empty"); err != nil || len(value) != 0 {
		t.Fatal(value, err)
	}
	at := 0
	for entry, err := range kv.Keys(ctx, "n/") {
		if err != nil || entry.Key != fmt.Sprintf("n/%03d", at) || entry.Size != 2 {
			t.Fatal(entry, err)
		}
		at++
	}
	if at != 100 {
		t.Fatal(at)
	}
	if err := kv.Delete(ctx, "empty"); err != nil {
		t.Fatal(err)
	}
	if err := kv.Delete(ctx, "empty"); err != ErrNotFound {
		t.Fatal(err)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if err := kv.Put(done, "late", nil, 0); err != context.Canceled {
		t.Fatal(err)
	}
	if stats, err := kv.Stats(); err != nil || !json.Valid(stats) {
		t.Fatal(string(stats), err)
	}
	if err := errors.Join(kv.Close(), kv.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Get(ctx, "a"); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

const description = `
api: { base_url: "${URL}" }
tables:
  - { name: items, id: id, columns: { id: int, name: text } }
  - { name: slowitems, id: id, columns: { id: int, name: text } }
jobs:
  copy: { sink: { sqlite: "${FOLDER}/copy.db" }, streams: [ { table: items } ] }
  slow: { sink: { sqlite: "${FOLDER}/slow.db" }, streams: [ { table: slowitems } ] }
`

func TestJobsRunAreWatchedAndStop(t *testing.T) {
	a, ctx := serve(t), context.Background()
	variables := map[string]string{"URL": a.URL, "FOLDER": t.TempDir()}
	job, err := OpenJob(description, "copy", variables)
	if err != nil {
		t.Fatal(err)
	}
	defer job.Close()
	var told atomic.Uint64
	report, err := job.Run(ctx, func(p Progress) { told.Store(p.Counts.Written) })
	if err != nil || len(report.Streams) != 1 || report.Streams[0].Outcome != "complete" {
		t.Fatalf("%+v %v", report, err)
	}
	if report.Streams[0].Counts.Written != 1000 || told.Load() != 1000 {
		t.Fatalf("%+v %v", report, told.Load())
	}
	slow, err := OpenJob(description, "slow", variables)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	why := errors.New("enough")
	stopped, stop := context.WithCancelCause(ctx)
	go func() {
		until(t, "the second page was asked for", func() bool { return a.begun.Load() > 0 })
		stop(why)
	}()
	report, err = slow.Run(stopped, nil)
	if err != why || report.Streams[0].Outcome != "stopped" {
		t.Fatalf("%+v %v", report, err)
	}
	// A panic of who watches stops the run, too.
	again, err := OpenJob(description, "copy", variables)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	func() {
		defer func() {
			if recover() != "mine" {
				t.Error("the panic is gone")
			}
		}()
		again.Run(ctx, func(Progress) { panic("mine") })
	}()
	if report, err = again.Wait(ctx); report == nil {
		t.Fatal(err)
	}
	if _, err := OpenJob(description, "none", variables); err == nil {
		t.Fatal("there is no such job")
	}
	if _, err := OpenJob(description, "copy", nil); !errors.Is(err, ErrConfig) {
		t.Fatal(err)
	}
}
