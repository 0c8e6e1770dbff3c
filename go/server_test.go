package vantagepool

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// serveFixed serves pages that are ready, by their path, and ends with its input.
func serveFixed(all map[string][][]byte) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pages := all[r.URL.Path]
		page, _ := strconv.Atoi(r.FormValue("page"))
		w.Header().Set("content-type", "application/json")
		w.Write(pages[min(max(page, 1), len(pages)-1)])
	}))
	fmt.Printf("http://%s\n", listener.Addr())
	io.Copy(io.Discard, os.Stdin)
}

var bench struct {
	process *exec.Cmd
	input   io.Closer
	url     string
}

// benchURL starts the server of the benchmarks in a process of its own.
func benchURL(b *testing.B) string {
	if bench.process != nil {
		return bench.url
	}
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), "VANTAGEPOOL_SERVE=1")
	input, err := process.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	output, err := process.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := process.Start(); err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	bench.process, bench.input, bench.url = process, input, strings.TrimSpace(line)
	return bench.url
}

func stopBenchServer() {
	if bench.process != nil {
		bench.input.Close()
		bench.process.Wait()
	}
}
