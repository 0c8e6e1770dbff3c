package vantagepool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"
)

func TestAStreamYieldsEverythingInOrder(t *testing.T) {
	p, ctx := open(t, serve(t)), context.Background()
	next := 0
	for value, err := range ItemsAs[item](ctx, p, "/items", &StreamOptions{Prefetch: 8}) {
		if err != nil || value.ID != next || value.Name != fmt.Sprint("item ", next) {
			t.Fatal(value, err)
		}
		next++
	}
	if next != 1000 {
		t.Fatal(next)
	}
	// Left early, it ends.
	for range p.Items(ctx, "/items", nil) {
		break
	}
	// And goes on elsewhere.
	s, err := p.Stream("/items", &StreamOptions{BatchItems: 1})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := s.Next(ctx)
	if err != nil || len(batch.Items) != 100 || batch.Page != 1 {
		t.Fatal(batch, err)
	}
	s.Close()
	if _, err := s.Next(ctx); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
	next = 100
	for value, err := range ItemsAs[item](ctx, p, "/items", &StreamOptions{Resume: batch.Token}) {
		if err != nil || value.ID != next {
			t.Fatal(value, err)
		}
		next++
	}
	if next != 1000 {
		t.Fatal(next)
	}
}

func TestAStreamEndsWithItsError(t *testing.T) {
	p, ctx := open(t, serve(t)), context.Background()
	seen, last := 0, error(nil)
	for _, err := range p.Items(ctx, "/broken", nil) {
		if err == nil {
			seen++
		}
		last = err
	}
	var e *Error
	if seen != 100 || !errors.As(last, &e) || e.Status != 500 || e.Page != 2 {
		t.Fatal(seen, last)
	}
	last = nil
	bare := &StreamOptions{
		Envelope: map[string]any{"items": "data", "or_bare_array": true},
		Paging:   map[string]any{"by": "none"},
	}
	for _, err := range ItemsAs[item](ctx, p, "/bare", bare) {
		last = err
	}
	var wrong *json.UnmarshalTypeError
	if !errors.Is(last, ErrDecode) || !errors.As(last, &wrong) {
		t.Fatal(last)
	}
	// Those before it are yielded, and nothing of the page before is in them.
	var values []item
	for value, err := range ItemsAs[item](ctx, p, "/uneven", &StreamOptions{BatchItems: 1}) {
		if last = err; err == nil {
			values = append(values, value)
		}
	}
	if !slices.Equal(values, []item{{1, "one"}, {2, "two"}, {3, ""}, {4, "four"}}) || !errors.Is(last, ErrDecode) {
		t.Fatal(values, last)
	}
	for _, err := range p.Items(ctx, "/items", &StreamOptions{Mode: "magic"}) {
		last = err
	}
	if !errors.Is(last, ErrConfig) {
		t.Fatal(last)
	}
}

func TestAContextEndsAReadThatCanGoOn(t *testing.T) {
	a := serve(t)
	p := open(t, a)
	s, err := p.Stream("/gated", &StreamOptions{BatchItems: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if batch, err := s.Next(context.Background()); err != nil || len(batch.Items) != 100 {
		t.Fatal(batch, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Next(ctx); err != context.DeadlineExceeded {
		t.Fatal(err)
	}
	// The page is still on its way.
	if a.gone.Load() != 0 {
		t.Fatal("the read was given up")
	}
	close(a.gate)
	if batch, err := s.Next(context.Background()); err != nil || batch.Page != 2 || len(batch.Items) != 100 {
		t.Fatal(batch, err)
	}
	// Closed, it ends its requests.
	slow, err := p.Stream("/slowitems", &StreamOptions{BatchItems: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if _, err := slow.Next(context.Background()); err != nil {
		t.Fatal(err)
	}
	slow.Close()
	until(t, "closing ends the requests", func() bool { return a.gone.Load() == a.begun.Load() })
}

func TestPagesWithoutItemsArePassedOver(t *testing.T) {
	p, ctx := open(t, serve(t)), context.Background()
	s, err := p.Stream("/sparse", &StreamOptions{BatchItems: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	batch, err := s.Next(ctx)
	if err != nil || batch.Page != 3 || len(batch.Items) != 1 || string(batch.Items[0]) != `{"id":1}` {
		t.Fatal(batch, err)
	}
	if batch, err = s.Next(ctx); err != io.EOF {
		t.Fatal(batch, err)
	}
	for value, err := range ItemsAs[item](ctx, p, "/empty", &StreamOptions{Paging: map[string]any{"by": "none"}}) {
		t.Fatal(value, err)
	}
}
