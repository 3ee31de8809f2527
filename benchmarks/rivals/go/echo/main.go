// Go: TCP echo on 127.0.0.1, a goroutine per connection. port=… buffer=…
package main

import (
	"fmt"
	"net"

	. "benchmarks/common"
)

func echo(connection net.Conn, size int) {
	defer connection.Close()
	buffer := make([]byte, size)
	for {
		got, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err = connection.Write(buffer[:got]); err != nil {
			return
		}
	}
}

func main() {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", Count("port", 9300)))
	Prove(err == nil, "the port is free")
	for {
		connection, err := listener.Accept()
		Prove(err == nil, "connections can be accepted")
		go echo(connection, Count("buffer", 4096))
	}
}
