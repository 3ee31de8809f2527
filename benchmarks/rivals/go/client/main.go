// Go's net/http: `total` GETs of `url` over `connections` connections: seconds for all.
package main

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	. "benchmarks/common"
)

func main() {
	url := Text("url", "http://127.0.0.1:9280/")
	total, connections := Count("total", 10000), Count("connections", 100)
	begin := time.Now()
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: connections, MaxIdleConns: connections, MaxConnsPerHost: connections}}
	var left, good atomic.Int64
	left.Store(int64(total))
	var all sync.WaitGroup
	all.Add(connections)
	for i := 0; i < connections; i++ {
		go func() {
			defer all.Done()
			for left.Add(-1) >= 0 {
				response, err := client.Get(url)
				if err != nil {
					continue
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				if err == nil && response.StatusCode == 200 && string(body) == "Hello, World!" {
					good.Add(1)
				}
			}
		}()
	}
	all.Wait()
	seconds := NsEach(begin, 1) * 1e-9
	Prove(int(good.Load()) == total, "every answer was 200 and Hello, World!")
	Print("http_client", seconds, "s", "cpu_s", CPU(), "peak_mib", Peak()/1048576)
}
