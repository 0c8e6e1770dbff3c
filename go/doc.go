// Package vantagepool is a client pool for REST APIs: calls that are queued, rate limited, authorised
// and retried where that is safe, paged endpoints read ahead and in order, copies of APIs into
// databases and files, and a key-value store. It is the library vantage_pool behind Go's usual forms.
//
//	pool, err := vantagepool.Open(vantagepool.Config{BaseURL: "https://api.example.com/v1"})
//	if err != nil {
//		return err
//	}
//	defer pool.Close()
//	for country, err := range vantagepool.ItemsAs[Country](ctx, pool, "/countries", nil) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(country.Name)
//	}
//
// # Contexts
//
// Every call takes a [context.Context]. When it is done, the requests that the call has caused end,
// their connections are closed, and the call returns [context.Cause]. A deadline also keeps the pool
// from waits that would pass it.
//
// # Threads
//
// Calls of a pool are handed to one queue of the library, and one goroutine takes what has ended. A
// call that waits is a goroutine that waits for a channel: it has no thread.
//
// # Closing
//
// A [Pool], a [Stream], a [KV] and a [Job] are closed with Close. One that was forgotten is closed
// some time after it was garbage, which is reported once by [log/slog].
//
// # Linking
//
// By default the library is found by pkg-config, as `crates/ffi/install.sh` installs it. With the
// build tag vantage_static the static library in lib/GOOS_GOARCH, which `go generate` builds, becomes
// part of the program. Linux is tested; macOS and Windows are not.
package vantagepool

//go:generate ../crates/ffi/install.sh --static lib
