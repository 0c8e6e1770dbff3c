package vantagepool_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"vantagepool"
)

// pages serves two pages with three planets.
func pages() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.FormValue("page") {
		case "1":
			fmt.Fprint(w, `{"data":[{"name":"Mercury"},{"name":"Venus"}],"pagination":{"total_pages":2}}`)
		case "2":
			fmt.Fprint(w, `{"data":[{"name":"Earth"}],"pagination":{"total_pages":2}}`)
		default:
			http.NotFound(w, r)
		}
	}))
}

func ExampleItemsAs() {
	server := pages()
	defer server.Close()
	pool, err := vantagepool.Open(vantagepool.Config{BaseURL: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	type planet struct {
		Name string `json:"name"`
	}
	for planet, err := range vantagepool.ItemsAs[planet](context.Background(), pool, "/planets", nil) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(planet.Name)
	}
	// Output:
	// Mercury
	// Venus
	// Earth
}

func ExamplePool_Get() {
	server := pages()
	defer server.Close()
	pool, err := vantagepool.Open(vantagepool.Config{BaseURL: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pool.Close()
	response, err := pool.Get(context.Background(), "/planets?page=2")
	fmt.Println(response.Status, string(response.Body), err)

	_, err = pool.Get(context.Background(), "/planets?page=9")
	var failed *vantagepool.Error
	if errors.As(err, &failed) {
		fmt.Println(failed.Kind, failed.Status, errors.Is(err, vantagepool.ErrStatus))
	}
	// Output:
	// 200 {"data":[{"name":"Earth"}],"pagination":{"total_pages":2}} <nil>
	// status 404 true
}

func ExampleKV() {
	folder, err := os.MkdirTemp("", "example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	kv, err := vantagepool.OpenKV(filepath.Join(folder, "values.redb"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer kv.Close()
	ctx := context.Background()
	if err := kv.Put(ctx, "greetings/english", []byte("hello"), 0); err != nil {
		fmt.Println(err)
		return
	}
	value, err := kv.Get(ctx, "greetings/english")
	fmt.Println(string(value), err)
	_, err = kv.Get(ctx, "greetings/latin")
	fmt.Println(errors.Is(err, vantagepool.ErrNotFound))
	// Output:
	// hello <nil>
	// true
}
