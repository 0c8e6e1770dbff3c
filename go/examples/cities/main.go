// Cities reads all cities of the demo API, and copies its countries into a database:
//
//	cities BASE_URL TOKEN FOLDER
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"

	"vantagepool"
)

// City is a row of the API.
type City struct {
	ID         int    `json:"id"`
	Name       string `json:"name"`
	Country    string `json:"country"`
	Population int    `json:"population"`
}

const description = `
api: { base_url: "${URL}", auth: { bearer: "${TOKEN}" } }
tables:
  - { name: countries, id: code, columns: { code: text, name: text, population: int } }
jobs:
  world: { sink: { sqlite: "${FOLDER}/world.db" }, streams: [ { table: countries } ] }
`

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: cities BASE_URL TOKEN FOLDER")
	}
	// Ctrl-C ends all requests.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, url, token, folder string) error {
	pool, err := vantagepool.Open(vantagepool.Config{
		BaseURL:   url,
		Auth:      vantagepool.Bearer(token),
		RateLimit: 1000,
	})
	if err != nil {
		return err
	}
	defer pool.Close()

	// One call, and what an error says.
	_, err = pool.Get(ctx, "/cities/0")
	var failed *vantagepool.Error
	if errors.As(err, &failed) {
		fmt.Println("city 0:", failed.Kind, failed.Status)
	}

	// All pages, in order, eight of them ahead.
	cities, people := 0, 0
	options := &vantagepool.StreamOptions{Prefetch: 8}
	for city, err := range vantagepool.ItemsAs[City](ctx, pool, "/cities", options) {
		if err != nil {
			return err
		}
		cities++
		people += city.Population
	}
	fmt.Println(cities, "cities,", people > 0)

	// A copy in a database, which goes on where it stopped if it is run again.
	job, err := vantagepool.OpenJob(description, "world", map[string]string{
		"URL": url, "TOKEN": token, "FOLDER": folder,
	})
	if err != nil {
		return err
	}
	defer job.Close()
	report, err := job.Run(ctx, func(p vantagepool.Progress) {
		fmt.Println("committed", p.Counts.Written)
	})
	if err != nil {
		return err
	}
	fmt.Println(report.Streams[0].Stream, report.Streams[0].Outcome)
	return nil
}
