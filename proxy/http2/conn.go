package http2

import (
	"crypto/tls"
	"net"
	"sync"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// What a connection grants to its client, in bytes.
const (
	// streamWindow is how much of a request body is kept for a handler that does not read it.
	streamWindow = 256 << 10
	// connWindow is the same for all streams of a connection together.
	connWindow = 1 << 20
	// headBudget is how much the heads of the requests under way may take together. A client with fewer than
	// a hundred requests of usual size never meets it.
	headBudget = 1 << 20
	// fieldBudget is how many fields they may have together, since a field that takes a byte on the way here takes an entry in the list
	// of the client's fields, and one in the list of what the upstream is sent: fifty for each of a hundred requests.
	fieldBudget = 5000
)

// conn is one client connection. Its goroutine reads frames; the goroutines of the streams write.
type conn struct {
	peer
	srv   *Server
	shard *shard
	info  *filter.Conn
	head  headParser // only for the goroutine that reads
	// polite says that the client is to see the last frames before the connection is closed.
	polite bool

	// The lock guards what follows.
	streams   map[uint32]*stream
	limits    *wire.Limits
	last      uint32    // the highest stream the client has opened
	unused    [2]uint32 // the latest streams that the client has left out lie between these
	running   int       // handlers
	tunnels   int       // those of them whose stream was hijacked
	requests  int
	heads     int  // bytes of the heads of running streams
	fields    int  // how many fields they have
	watched   bool // the watcher was told that the connection is active
	idleSince int64
	done      sync.Cond // running has become 0
	leaving   leaving
	recent    [64]uint32 // streams that we reset: their client may not know yet
	numRecent int
	announced int // how many streams the client was told it may open
	janitor   janitor
}

// newConn returns a connection that has not read anything.
func newConn(srv *Server, nc net.Conn, info *filter.Conn) *conn {
	c := &conn{srv: srv, info: info, limits: srv.limits(), streams: make(map[uint32]*stream), idleSince: clock()}
	c.peer.init(nc, c, &c.head)
	c.done.L = &c.mu
	c.head.c = c
	return c
}

// preload takes what was read of the connection already.
func (c *conn) preload(read []byte) {
	if len(read) > 0 {
		c.in.got(copy(c.in.room(len(read)), read))
	}
}

// tableSize is the size of the table that the client may use to compress heads, in bytes.
const tableSize = 4096

// run runs the connection to its end.
func (c *conn) run() {
	defer c.finish()
	if w := c.info.Watch; w != nil && !w.Idle() {
		return
	}
	c.greet()
	if !c.readPreface() {
		return
	}
	first := true
	for {
		f, code, ok := c.readFrame()
		if !ok {
			return
		}
		if code == codeNone && first && (f.kind != frameSettings || f.has(flagAck)) {
			code = codeProtocol // RFC 9113 section 3.4
		}
		first = false
		if code == codeNone {
			code = c.process(&f)
		}
		if code != codeNone {
			c.die(code)
			return
		}
	}
}

// greet sends our SETTINGS and opens the window of the connection.
func (c *conn) greet() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.announced = c.maxStreams()
	b := appendHeader(c.out.take(), 4*6, frameSettings, 0, 0)
	b = appendSetting(b, settingStreams, uint32(c.announced))
	b = appendSetting(b, settingWindow, streamWindow)
	b = appendSetting(b, settingHeaderListSize, uint32(c.limits.HeadBytes))
	b = appendSetting(b, settingConnectProtocol, 1)
	c.out.buf = appendWindowUpdate(b, 0, connWindow-defaultWindow)
	c.flushLocked()
}

// maxStreams returns how many requests may be under way.
func (c *conn) maxStreams() int {
	if n := c.limits.ConcurrentStreams; n > 0 {
		return n
	}
	return defaultLimits.ConcurrentStreams
}

// finish ends the connection and waits for the handlers.
func (c *conn) finish() {
	if c.polite {
		c.linger()
	}
	c.mu.Lock()
	c.dropLocked()
	c.janitor.stop()
	if c.out.writing {
		c.cut()
	}
	for c.running > 0 {
		c.done.Wait()
	}
	for c.out.writing {
		c.out.wait()
	}
	c.out.release() // with the lock: a timer of drain may still come, and finds the connection dead
	c.mu.Unlock()
	c.in.release()
	c.nc.Close()
}

// dropLocked marks the connection as dead and wakes everybody.
func (c *conn) dropLocked() {
	if c.dead {
		return
	}
	c.dead = true
	for _, s := range c.streams {
		s.lostLocked(errGone)
	}
	clear(c.streams)
	c.wakeBlockedLocked()
}

// die tells the client what it did wrong and ends the connection.
func (c *conn) die(code errCode) {
	c.mu.Lock()
	if c.dead {
		c.mu.Unlock()
		return
	}
	c.out.buf = appendGoAway(c.out.take(), c.last, code)
	c.dropLocked()
	c.flushLocked()
	c.polite = true
	c.mu.Unlock()
}

const (
	// lingerTime is how long the end of a connection is read on, and lingerBytes how much: closing a
	// socket with unread bytes sends a reset, which takes the last frames away from the client.
	lingerTime  = time.Second
	lingerBytes = 1 << 20
)

// linger closes our side and reads until the client has closed its own.
func (c *conn) linger() {
	c.mu.Lock()
	for c.out.writing && !c.out.failed {
		c.out.wait()
	}
	failed := c.out.failed
	c.mu.Unlock()
	if failed {
		return
	}
	if half, ok := c.nc.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	if t, ok := c.nc.(*tls.Conn); ok {
		if half, ok := t.NetConn().(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
			return
		}
	}
	if c.nc.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	for total := 0; total < lingerBytes; {
		n, err := c.nc.Read(c.in.buf)
		if err != nil {
			return
		}
		total += n
	}
}

// epoch is what times are counted from, so that they are single numbers.
var epoch = time.Now()

// clock returns the nanoseconds since epoch.
func clock() int64 { return int64(time.Since(epoch)) }

// slack is how much later than asked for a deadline may be.
func slack(timeout int64) int64 { return max(timeout/20, int64(time.Millisecond)) }
