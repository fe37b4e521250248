package http1

import (
	"net"
	"sync"
	"sync/atomic"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// stream is one exchange on a client connection with all the memory it needs. It is borrowed from a pool
// when the first byte of a request has come and given back when the connection waits for the next one.
//
// The request head stays where it was read, at the start of in, since the strings of the request point
// there; body bytes are read behind it. pos and end delimit what was read and not yet used.
type stream struct {
	x    filter.Exchange
	c    *conn
	head requestHead

	in       []byte
	pos, end int
	base     int // where body bytes may be read to: the end of the head
	small    requestBuffer
	big      *largeBuffer // in, once the head did not fit into small
	over     *largeBuffer // in, once there was no room left behind the head

	body requestBody
	out  response

	// mu guards against a 100 (Continue) sent by the goroutine that reads the body while another one
	// begins the response. It is only taken if the client waits for one.
	mu sync.Mutex
}

var (
	_ wire.Stream      = (*stream)(nil)
	_ wire.Interrupter = (*stream)(nil)
	_ wire.BodyViewer  = (*stream)(nil)
)

// streams is memory and nothing else.
var streams = sync.Pool{New: func() any { return new(stream) }}

// borrowStream returns a stream for the next exchange of c.
func borrowStream(c *conn) *stream {
	s := streams.Get().(*stream)
	s.c = c
	s.x.Conn, s.x.Stream = c.info, s
	s.in = s.small[:]
	s.out.buf = s.out.small[:0]
	return s
}

// release gives the stream back. Nothing of it may be used any more.
func (s *stream) release() {
	s.c, s.x.Conn = nil, nil
	streams.Put(s)
}

// reset prepares the stream for the next request of the same connection. What was read of it already is
// moved to the start of the buffer.
func (s *stream) reset() {
	s.x.Reset()
	s.body.reset()
	s.out.reset()
	rest := s.in[s.pos:s.end]
	s.pos, s.base, s.end = 0, 0, len(rest)
	if s.big == nil && s.over == nil {
		copy(s.in, rest) // into small, or into a buffer made for an extraordinary head
		if len(rest) <= requestSize {
			s.in = s.small[:]
		}
		return
	}
	if len(rest) <= requestSize {
		copy(s.small[:], rest)
		s.in = s.small[:]
		s.dropLarge(&s.big)
		s.dropLarge(&s.over)
		return
	}
	copy(s.in, rest)
	if s.over != nil { // which is where in is
		s.dropLarge(&s.big)
		s.big, s.over = s.over, nil
	}
}

// dropLarge gives a large buffer back.
func (s *stream) dropLarge(b **largeBuffer) {
	if *b != nil {
		largeBuffers.Put(*b)
		*b = nil
	}
}

// growHead makes room for a head that has filled the buffer and may become longer. It must be parsed
// again from its start, since its strings point to the old buffer.
func (s *stream) growHead(limit int) {
	to := []byte(nil)
	if s.big == nil && len(s.in) < largeSize {
		s.big = largeBuffers.Get().(*largeBuffer)
		to = s.big[:]
	} else {
		to = make([]byte, limit+requestSize)
	}
	s.end = copy(to, s.in[:s.end])
	s.in = to
}

// reserve makes room behind the head such that n bytes fit between pos and the end of the buffer, those
// not yet used included. There may be less if n bytes would not fit into a large buffer.
func (s *stream) reserve(n int) {
	if s.pos == s.end {
		s.pos, s.end = s.base, s.base
	}
	if len(s.in)-s.pos >= n {
		return
	}
	rest := s.in[s.pos:s.end]
	if len(s.in)-s.base < n && s.over == nil {
		s.over = largeBuffers.Get().(*largeBuffer)
		s.in, s.base = s.over[:], 0
	}
	s.pos, s.end = s.base, s.base+copy(s.in[s.base:], rest)
}

// Continue implements wire.Stream.
func (s *stream) Continue() error {
	if s.body.expect.Load() != expectPending {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.body.expect.CompareAndSwap(expectPending, expectSent) {
		return nil
	}
	return s.out.send(s, wire.Bytes("HTTP/1.1 100 Continue\r\n\r\n"), nil)
}

// Interrupt implements wire.Interrupter.
func (s *stream) Interrupt() { s.c.interrupt() }

// Abort implements wire.Stream.
func (s *stream) Abort() {
	s.out.aborted.Store(true)
	// In HTTP/1.0 the end of the connection may be the end of the body: only a reset tells otherwise.
	s.c.cut(s.x.Request.Minor == 0)
}

// Hijack implements wire.Stream.
func (s *stream) Hijack() (net.Conn, []byte, error) {
	if s.out.mode != modeTunnel {
		return nil, nil, errNoTunnel
	}
	if err := s.Flush(); err != nil {
		return nil, nil, err
	}
	s.out.hijacked = true
	return s.c.handOver(), append([]byte(nil), s.in[s.pos:s.end]...), nil
}

// Written implements wire.Stream.
func (s *stream) Written() (total, body int64) { return s.out.total, s.out.body }

// Received implements wire.Stream.
func (s *stream) Received() int64 { return s.body.received.Load() }

// expectation is how far a client that asked for 100 (Continue) is.
type expectation = atomic.Uint32

const (
	expectNothing = iota // it did not ask
	expectPending        // it waits
	expectSent           // it was told to go on
	expectOver           // the final response has begun instead
)
