package http1

import (
	"io"
	"net/http"
	"os"
	"time"

	"github.com/yettproxy/yett/proxy/wire"
)

// How an exchange ends. A connection is kept only if nothing is left to be read that could be taken for
// the next request. Otherwise it is closed in a way that lets the client read the answer: closing a socket with
// unread bytes sends a reset, which takes the answer away from a client that is still sending.

const (
	// maxDrain is how much of a body that nobody wants is read to keep a connection, in bytes.
	maxDrain = 256 << 10
	// drainTime is how long that may take.
	drainTime = 5 * time.Second
	// lingerBytes is how much is read after the last answer, so that a client which sends everything before
	// it reads anything gets to see it.
	lingerBytes = 64 << 20
	// lingerTime is how long that may take in all, lingerGap how long it may pause (nginx's lingering_time
	// and lingering_timeout).
	lingerTime = 30 * time.Second
	lingerGap  = 5 * time.Second
	// lingerDraining is lingerTime while the proxy shuts down.
	lingerDraining = time.Second
)

// reject answers a request that is not served and closes the connection.
func (c *conn) reject(no refusal) {
	s := c.s
	s.x.Start = time.Now()
	c.info.Requests++
	s.answerError(no.status)
	c.rejected(no.reason)
	c.linger(s)
}

// headFailed ends a connection on which a request had begun that did not become complete. nginx does not
// answer those either.
func (c *conn) headFailed(err error) {
	s := c.s
	if s.head.pos == s.end && !s.head.lineDone {
		return // nothing but empty lines
	}
	if c.srv.Rejected == nil {
		return
	}
	status, reason := http.StatusBadRequest, "client closed the connection within the head"
	if err == os.ErrDeadlineExceeded {
		status, reason = http.StatusRequestTimeout, "head did not come in time"
	}
	c.info.Requests++
	s.x.Start = time.Now()
	s.x.End = s.x.Start
	s.x.Response.Status = status
	s.x.ClientGone = status != http.StatusRequestTimeout
	c.srv.Rejected(&s.x, reason)
}

// answerError answers with a page and the end of the connection.
func (s *stream) answerError(status int) {
	s.x.CloseAfter = true
	s.x.Reply(status)
	s.x.Send()
}

// rejected tells the server's owner of a request that the engine answered.
func (c *conn) rejected(reason string) {
	if c.srv.Rejected != nil {
		c.s.x.End = c.s.x.Start
		c.srv.Rejected(&c.s.x, reason)
	}
}

// abandons reports whether the answer is the proxy's own and so much of the body is still to come that
// it will not be read.
func (s *stream) abandons() bool {
	return s.x.Local && s.x.Request.Length-s.body.received.Load() > maxDrain
}

// settle ends the exchange. It returns false if the connection ends with it. Not inlined, as readHead.
//
//go:noinline
func (c *conn) settle() bool {
	s := c.s
	o := &s.out
	c.resume()
	switch {
	case o.hijacked || o.aborted.Load():
		return false
	case !o.Began && o.failed == nil: // the handler did not answer
		s.answerError(http.StatusInternalServerError)
		c.linger(s)
		return false
	case !o.done:
		c.cut(o.mode == modeClose)
		return false
	}
	closing := !o.keep || s.x.CloseAfter
	if closing && !s.x.Request.KeepAlive && s.body.err == io.EOF && s.pos == s.end && c.idle() {
		return false // the client asked for it and has nothing more to say
	}
	if closing || !s.drain() {
		c.linger(s)
		return false
	}
	s.reset()
	return true
}

// drain reads what is left of the body and reports whether its end was reached.
func (s *stream) drain() bool {
	b := &s.body
	if b.err == io.EOF {
		return true
	}
	if b.err == wire.ErrInterrupted {
		b.err = nil
	}
	if b.err != nil || b.expect.Load() == expectOver || b.left > maxDrain {
		return false
	}
	s.c.read.fixed = clock() + int64(drainTime)
	defer func() { s.c.read.fixed = 0 }()
	buf := largeBuffers.Get().(*largeBuffer)
	defer largeBuffers.Put(buf)
	for total := 0; total <= maxDrain; {
		n, err := s.Read(buf[:])
		if err != nil {
			return err == io.EOF
		}
		total += n
	}
	return false
}

// linger tells the client that nothing more comes, and reads what it still sends until it has seen that.
func (c *conn) linger(s *stream) {
	if s.out.failed != nil || !c.closeWrite() {
		return
	}
	buf := largeBuffers.Get().(*largeBuffer)
	defer largeBuffers.Put(buf)
	last := clock() + int64(lingerTime)
	for total := 0; total < lingerBytes; {
		now := clock()
		if c.srv.draining() {
			last = min(last, now+int64(lingerDraining))
		}
		if now >= last {
			return
		}
		c.read.fixed = min(last, now+int64(lingerGap))
		n, err := c.readInto(buf[:])
		if err != nil {
			return
		}
		total += n
	}
}
