package main

import (
	"bytes"
	"io"
	"net"

	"golang.org/x/net/http2"
)

// runGRPCBackend answers gRPC calls in cleartext until the process ends: one message for the call /bench.Echo/Unary, an echo
// of every message for any other.
func runGRPCBackend(l net.Listener) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if preface := make([]byte, len(http2.ClientPreface)); readPreface(c, preface) {
				serveGRPC(newH2(c))
			}
		}()
	}
}

// readPreface reads what a client begins with.
func readPreface(c net.Conn, preface []byte) bool {
	_, err := io.ReadFull(c, preface)
	return err == nil && bytes.Equal(preface, []byte(http2.ClientPreface))
}

// serveGRPC answers the calls of a connection.
func serveGRPC(l *h2link) {
	for {
		kind, s, end, payload, err := l.next()
		if err != nil {
			return
		}
		if kind == http2.FrameData && len(payload) > 0 {
			l.opened(s, len(payload))
		}
		if !s.open && (s.path != unaryPath || end) {
			s.open = true
			l.headers(s.id, false, ":status", "200", "content-type", "application/grpc")
		}
		switch {
		case s.path == unaryPath && end:
			l.data(s, grpcMessage, false)
		case s.path != unaryPath && kind == http2.FrameData && len(payload) > 0:
			l.data(s, payload, false)
		}
		if end {
			l.headers(s.id, true, "grpc-status", "0")
			delete(l.streams, s.id)
		}
	}
}

// opened counts what has come on a stream and opens its windows again before they could close.
func (l *h2link) opened(s *h2stream, n int) {
	if s.got += n; s.got >= 1<<20 {
		more := []byte{byte(s.got >> 24), byte(s.got >> 16), byte(s.got >> 8), byte(s.got)}
		l.frame(http2.FrameWindowUpdate, 0, s.id, more)
		l.frame(http2.FrameWindowUpdate, 0, 0, more)
		s.got = 0
	}
}
