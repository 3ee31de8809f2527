#!/usr/bin/env python3
"""A server that misbehaves on request: each path is one way to do so. Prints its port, then serves until it is killed."""
import socketserver
import sys
import time


class Handler(socketserver.StreamRequestHandler):
    def send(self, data):
        self.wfile.write(data)
        self.wfile.flush()

    def handle(self):
        line = self.rfile.readline().decode("latin-1")
        while self.rfile.readline() not in (b"\r\n", b"\n", b""):
            pass
        path = line.split(" ")[1] if line.count(" ") >= 2 else "/"
        if path == "/ok":
            self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        elif path == "/chunked":
            self.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        elif path == "/until-close":
            self.send(b"HTTP/1.0 200 OK\r\n\r\nuntil the end")
        elif path == "/closes-half-way":
            self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly these")
        elif path == "/closes-in-chunk":
            self.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc")
        elif path == "/closes-in-head":
            self.send(b"HTTP/1.1 200 OK\r\nContent-")
        elif path == "/closes-at-once":
            pass
        elif path == "/garbage":
            self.send(b"SSH-2.0-OpenSSH_9.2\r\n")
        elif path == "/binary":
            self.send(bytes(range(256)) * 4)
        elif path == "/length-and-chunks":
            self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        elif path == "/bad-length":
            self.send(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello")
        elif path == "/two-lengths":
            self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!")
        elif path == "/bad-chunk":
            self.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n")
        elif path == "/more-than-its-length":
            self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more")
        elif path == "/huge-head":
            self.send(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 100000 + b"\r\n\r\n")
        elif path == "/404":
            self.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        elif path == "/switches":
            self.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
        elif path == "/stalls-half-way":
            self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly these")
            time.sleep(60)
        elif path == "/never":
            time.sleep(60)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


with Server(("127.0.0.1", 0), Handler) as server:
    print(server.server_address[1])
    sys.stdout.flush()
    server.serve_forever()
