// Go's crypto/tls with both ends in this process, a goroutine for each end: what=handshake|resume|stream|idle count=…
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"runtime/debug"
	"time"

	. "benchmarks/common"
)

// One for localhost that vouches for itself, with a P-256 key.
func makeCertificate() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	Prove(err == nil, "a key can be made")
	name := pkix.Name{CommonName: "localhost"}
	wanted := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: name, Issuer: name, DNSNames: []string{"localhost"},
		NotBefore: time.Now().AddDate(0, 0, -1), NotAfter: time.Now().AddDate(0, 0, 30),
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, wanted, wanted, key.Public(), key)
	Prove(err == nil, "a certificate can be signed")
	made, err := x509.ParseCertificate(der)
	Prove(err == nil, "the certificate can be read")
	trusted := x509.NewCertPool()
	trusted.AddCert(made)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, trusted
}

type ends struct {
	listener net.Listener
	client   *tls.Config
}

// A server, and what its clients go by: with a cache of tickets they resume.
func listen(handle func(*tls.Conn), resume bool) ends {
	certificate, trusted := makeCertificate()
	server := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
	client := &tls.Config{RootCAs: trusted, ServerName: "localhost", MinVersion: tls.VersionTLS13}
	if resume {
		client.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	Prove(err == nil, "a port is free")
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go handle(connection.(*tls.Conn))
		}
	}()
	return ends{listener, client}
}

// The handshake, and the server's byte has come, and the ticket before it.
func (e ends) connect(resumed bool) *tls.Conn {
	connection, err := tls.Dial("tcp", e.listener.Addr().String(), e.client)
	Prove(err == nil, "the handshake goes well")
	var mark [1]byte
	_, err = io.ReadFull(connection, mark[:])
	Prove(err == nil && mark[0] == '!', "the server's byte comes")
	state := connection.ConnectionState()
	Prove(state.Version == tls.VersionTLS13 && len(state.VerifiedChains) > 0, "TLS 1.3, verified")
	Prove(state.DidResume == resumed, "resumption")
	return connection
}

// Sends the byte and waits for the client's end.
func rest(connection *tls.Conn) {
	defer connection.Close()
	if _, err := connection.Write([]byte("!")); err != nil {
		return
	}
	var more [1]byte
	connection.Read(more[:])
}

func measureHandshakes(count int, resume bool) {
	both := listen(rest, resume)
	name := "tls_handshake"
	if resume {
		name = "tls_resume"
	}
	begin := time.Now()
	for i := 0; i < count; i++ {
		both.connect(resume && i != 0).Close()
	}
	Print(name, 1e9/NsEach(begin, count), "1/s", "count", float64(count))
}

func measureStream(megabytes int) {
	received := make(chan bool)
	both := listen(func(connection *tls.Conn) {
		defer connection.Close()
		connection.Write([]byte("!"))
		into := make([]byte, 256*1024)
		left := megabytes * 1000000
		good := true
		for left > 0 {
			got, err := connection.Read(into)
			if err != nil || got > left {
				break
			}
			good = good && into[0] == 'x' && into[got-1] == 'x'
			left -= got
		}
		received <- good && left == 0
	}, false)
	connection := both.connect(false)
	piece := bytes.Repeat([]byte("x"), 1000000)
	begin := time.Now()
	for i := 0; i < megabytes; i++ {
		_, err := connection.Write(piece)
		Prove(err == nil, "bytes are sent")
	}
	whole := <-received
	rate := 1e9 / NsEach(begin, megabytes)
	Prove(whole, "every byte came")
	Print("tls_stream", rate, "MB/s", "count", float64(megabytes))
}

// What the handshakes left is collected and given back first: it is no memory of connections.
func residentAlone() float64 {
	debug.FreeOSMemory()
	return Resident()
}

func measureIdle(count int) {
	const warm = 20 // what the first ones alone cost is not counted
	both := listen(rest, false)
	all := make([]*tls.Conn, 0, count)
	before := 0.0
	for i := 0; i < count; i++ {
		if i == warm {
			before = residentAlone()
		}
		all = append(all, both.connect(false))
	}
	Print("tls_idle", (residentAlone()-before)/float64(count-warm), "B", "count", float64(count))
	for _, connection := range all {
		connection.Close()
	}
}

func main() {
	switch what := Text("what", "handshake"); what {
	case "stream":
		measureStream(Count("count", 1000))
	case "idle":
		measureIdle(Count("count", 2000))
	default:
		measureHandshakes(Count("count", 1000), what == "resume")
	}
}
