package http2

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

// Ways for a request to end early.
var (
	errTarget     = fmt.Errorf("%w: malformed target", wire.ErrRequest)
	errUnwritable = errors.New("write request: connection broke")
)

const (
	// firstGrant is what the upstream may send on a new stream, in bytes; grownGrant is what it may send once its client has
	// shown that it takes what comes. Who takes nothing holds no more than the first.
	firstGrant = defaultWindow
	grownGrant = 256 << 10
)

// ClientStream is one request to an upstream and its response. It is borrowed from a pool and given back by Release.
//
// One goroutine may write the request while another reads the response. Close may come from any.
type ClientStream struct {
	c *ClientConn

	// Only who writes the request touches these.
	block  []byte // the encoded head
	gather []byte // of the body, to be sent with the next piece
	head   bool   // the method is HEAD
	// readTimeout and writeTimeout are in nanoseconds; 0 for none.
	readTimeout, writeTimeout int64

	// The lock of the connection guards what follows.
	sender
	canRead sync.Cond
	sendErr error // why nothing can be sent any more
	ended   bool  // END_STREAM was queued
	woken   bool  // in ClientConn.woken

	response   wire.Response
	text       int  // the size of its head
	ready      bool // response is there
	final      bool // the final head has come
	none       bool // there is no body
	interims   int
	declared   int64
	received   int64
	recvWindow int64
	consumed   int64
	credit     int64
	data       queue
	err        error // io.EOF once all has come
	trailers   wire.Fields

	readDue, writeDue         int64 // when waiting is over; 0 if nobody waits
	readExpired, writeExpired bool
}

// clientStreamPool is memory and nothing else.
var clientStreamPool = sync.Pool{New: func() any { return new(ClientStream) }}

// Stream returns a stream for a place that was reserved.
func (c *ClientConn) Stream() *ClientStream {
	s := clientStreamPool.Get().(*ClientStream)
	s.c = c
	s.canRead.L, s.canWrite.L = &c.mu, &c.mu
	s.declared, s.recvWindow = wire.Unknown, firstGrant
	return s
}

// Release gives the stream and its place back. What is not complete is reset. Nobody may use the stream any more.
func (s *ClientStream) Release() {
	c := s.c
	c.mu.Lock()
	s.cancelLocked()
	if s.woken {
		c.woken = slices.DeleteFunc(c.woken, func(o *ClientStream) bool { return o == s })
	}
	if c.places--; c.places == 0 {
		c.since = clock()
		c.overLocked()
	}
	c.out.flushLocked(c.places > 1)
	c.mu.Unlock()
	s.data.reset()
	s.response.Reset()
	s.trailers.Reset()
	block, gather := s.block[:0], s.gather[:0]
	if cap(block) > headSize {
		block = nil
	}
	*s = ClientStream{block: block, gather: gather, response: s.response, trailers: s.trailers}
	clientStreamPool.Put(s)
}

// cancelLocked takes the stream off the connection, with a frame if the upstream thinks that it goes on.
func (s *ClientStream) cancelLocked() {
	c := s.c
	if s.id == 0 || c.streams[s.id] != s {
		return
	}
	delete(c.streams, s.id)
	if !s.ended || s.err != io.EOF {
		c.out.buf = appendReset(c.out.take(), s.id, codeCancel)
	}
}

// Close resets the stream, if it is not complete, and wakes whoever waits for it. The error is always nil.
func (s *ClientStream) Close() error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	s.cancelLocked()
	if s.err == nil || s.err == io.EOF {
		s.err = net.ErrClosed
	}
	s.sendErr = net.ErrClosed
	s.canRead.Signal()
	s.canWrite.Signal()
	if len(c.out.buf) > 0 && !c.out.writing {
		go c.flush() // the caller must not wait for a slow upstream
	}
	return nil
}

// flush sends what is queued.
func (c *ClientConn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dead {
		c.out.flushLocked(false)
	}
}

// SetReadTimeout limits how long a read may wait for the next piece of the response; 0 for no limit. The error is
// os.ErrDeadlineExceeded.
func (s *ClientStream) SetReadTimeout(d time.Duration) { s.readTimeout = int64(d) }

// SetWriteTimeout limits how long a write may wait for the upstream to take something, as SetReadTimeout does for reads.
func (s *ClientStream) SetWriteTimeout(d time.Duration) { s.writeTimeout = int64(d) }

// Sent returns 0 as long as the upstream cannot have seen anything of the request.
func (s *ClientStream) Sent() int64 {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return int64(s.id)
}

// wakeLocked wakes whoever reads the response, when all that was read from the connection was looked at.
func (s *ClientStream) wakeLocked() {
	if !s.woken {
		s.woken = true
		s.c.woken = append(s.c.woken, s)
	}
}

// failLocked ends the stream without a frame. A response that is complete stays so.
func (s *ClientStream) failLocked(why error) {
	if s.err == nil {
		s.err = why
	}
	if s.sendErr == nil {
		s.sendErr = why
	}
	s.wakeLocked()
	s.canWrite.Signal()
}

// faultLocked resets the stream for a fault of the upstream's. Who makes one such mistake is not asked again on this
// connection.
func (s *ClientStream) faultLocked(code errCode, why error) {
	c := s.c
	if s.err == io.EOF {
		s.err = nil
	}
	s.failLocked(why)
	c.out.buf = appendReset(c.out.take(), s.id, code)
	delete(c.streams, s.id)
	c.leaveLocked()
}
