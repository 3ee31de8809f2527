// Go's net/http: answers "Hello, World!" on 127.0.0.1. port=…
package main

import (
	"fmt"
	"net/http"

	. "benchmarks/common"
)

func main() {
	body := []byte("Hello, World!")
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Write(body)
	})
	err := http.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", Count("port", 9500)), nil)
	Prove(err == nil, "the port is free")
}
