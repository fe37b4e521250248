package http2

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

// What a connection grants to its upstream, and asks of it.
const (
	// clientStreams is how many requests one connection carries at once, if the upstream allows as many.
	clientStreams = 1000
	// clientHead is the longest head of a response, decoded and with overhead, in bytes. Trailers may be as long.
	clientHead = 64 << 10
	// clientWrite is how long a write may take until the connection counts as dead.
	clientWrite = 60 * time.Second
)

// ErrNotHTTP2 says that whoever was connected to speaks something else.
var ErrNotHTTP2 = errors.New("greet upstream: it does not speak HTTP/2")

// ClientConn is one connection to an upstream. It carries many requests at once, each as a ClientStream. All methods are
// safe for concurrent use.
//
// The window of the connection is opened again as bytes come, not as they are taken: a client that does not take its
// response must not hold up those of others. What is held is bounded by the windows of the streams.
type ClientConn struct {
	peer
	scheme string
	// head and readErr, the error of the last read, are only for the goroutine that reads.
	head    responseParser
	readErr error

	// ready is closed when the upstream has said what it grants, or the connection has ended.
	ready chan struct{}
	// heard is when bytes came last, on this package's clock.
	heard atomic.Int64

	// The lock guards what follows.
	streams  map[uint32]*ClientStream
	woken    []*ClientStream // to be told that something has come
	places   int             // taken by requests, begun or not
	max      int             // places that there are
	next     uint32          // the number of the next stream
	leaving  bool            // no further requests
	err      error           // why the connection is dead
	since    int64           // when the connection became idle, or busy
	reminder reminder
}

var _ source = (*ClientConn)(nil)

// NewClientConn begins to speak HTTP/2 on a connection, with a goroutine that reads it to its end. For TLS the handshake is
// done. Greet must be called before the first request.
func NewClientConn(nc net.Conn) *ClientConn {
	c := &ClientConn{
		scheme: "http", ready: make(chan struct{}), streams: make(map[uint32]*ClientStream), max: clientStreams, next: 1, since: clock(),
	}
	c.peer.init(nc, c, &c.head)
	if _, ok := nc.(*tls.Conn); ok {
		c.scheme = "https"
	}
	c.head.dec = &c.dec
	c.heard.Store(c.since)
	c.mu.Lock()
	b := append(c.out.take(), preface...)
	b = appendHeader(b, 2*6, frameSettings, 0, 0)
	b = appendSetting(b, settingPush, 0)
	b = appendSetting(b, settingHeaderListSize, clientHead)
	c.out.buf = appendWindowUpdate(b, 0, connWindow-defaultWindow)
	c.mu.Unlock()
	go c.run()
	return c
}

// Greet waits until the upstream has said what it grants. An error means that the connection cannot be used and is closed.
func (c *ClientConn) Greet(ctx context.Context) error {
	select {
	case <-c.ready:
	case <-ctx.Done():
		c.fail(ctx.Err())
		<-c.ready
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Reserve takes a place for one request, which ends with ClientStream.Release. It is false if there is none, or the
// connection is about to end.
func (c *ClientConn) Reserve() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.openLocked() || c.places >= c.max {
		return false
	}
	if c.places++; c.places == 1 {
		c.since = clock()
	}
	return true
}

// Idle returns for how long there has been no request; 0 if there is one, and false if the connection takes no more.
func (c *ClientConn) Idle() (d time.Duration, open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.places == 0 {
		d = time.Duration(clock() - c.since)
	}
	return d, c.openLocked()
}

// Retire ends the connection when the requests under way have ended.
func (c *ClientConn) Retire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leaveLocked()
}

// openLocked reports whether requests can begin.
func (c *ClientConn) openLocked() bool { return !c.dead && !c.leaving && !c.out.failed }

// leaveLocked takes no further requests.
func (c *ClientConn) leaveLocked() {
	c.leaving = true
	c.overLocked()
}

// overLocked wakes the reader to close a connection that nobody needs any more.
func (c *ClientConn) overLocked() {
	if c.leaving && c.places == 0 && !c.dead {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // of a connection that is closed already: nobody to wake
	}
}

// run reads the connection to its end.
func (c *ClientConn) run() {
	defer c.finish()
	for first := true; ; first = false {
		f, code, ok := c.in.frame(c)
		if !ok {
			return
		}
		if first {
			if code != codeNone || f.kind != frameSettings || f.has(flagAck) {
				c.fail(ErrNotHTTP2)
				return
			}
		}
		if code == codeNone {
			code = c.process(&f)
		}
		if code != codeNone {
			c.die(code)
			return
		}
		if first {
			close(c.ready)
		}
	}
}

// Read implements source.
func (c *ClientConn) Read(p []byte) (int, error) {
	n, err := c.nc.Read(p)
	if n > 0 {
		c.heard.Store(clock())
	}
	c.readErr = err
	return n, err
}

// await implements source: streams for which something has come go on, and what was queued leaves.
func (c *ClientConn) await() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wakeLocked()
	c.out.flushLocked(false)
	return !c.dead && !c.out.failed && !(c.leaving && c.places == 0)
}

// wakeLocked wakes the streams for which something has come, each once for all that was read together.
func (c *ClientConn) wakeLocked() {
	for i, s := range c.woken {
		s.woken = false
		s.canRead.Signal()
		c.woken[i] = nil
	}
	c.woken = c.woken[:0]
}

// die tells the upstream what it did wrong and ends the connection.
func (c *ClientConn) die(code errCode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dead {
		c.out.buf = appendGoAway(c.out.take(), 0, code)
		c.dropLocked(fmt.Errorf("%w: HTTP/2 error %d", wire.ErrMalformed, code))
		c.out.flushLocked(false)
	}
}

// fail ends the connection at once. It may be called from any goroutine.
func (c *ClientConn) fail(why error) {
	c.mu.Lock()
	c.dropLocked(why)
	c.mu.Unlock()
	c.cut()
}

// dropLocked marks the connection as dead and fails its streams.
func (c *ClientConn) dropLocked(why error) {
	if c.dead {
		return
	}
	c.dead, c.err = true, why
	c.reminder.stop()
	for _, s := range c.streams {
		s.failLocked(why)
	}
	clear(c.streams)
	c.wakeLocked()
	c.wakeBlockedLocked()
}

// finish ends the goroutine that reads.
func (c *ClientConn) finish() {
	why := io.ErrUnexpectedEOF
	if err := c.readErr; err != nil && err != io.EOF && !os.IsTimeout(err) { // a time-out is our own waking of the reader
		why = fmt.Errorf("%w: %w", why, err)
	}
	c.mu.Lock()
	c.dropLocked(why)
	if c.out.writing {
		c.cut()
	}
	for c.out.writing {
		c.out.wait()
	}
	c.out.release()
	c.mu.Unlock()
	c.in.release()
	c.nc.Close()
	select {
	case <-c.ready:
	default:
		close(c.ready)
	}
}
