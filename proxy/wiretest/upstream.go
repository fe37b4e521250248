package wiretest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Request is a request that reached an Upstream.
type Request struct {
	Message
	// Conn numbers the connections of the Upstream, from 0.
	Conn int
	// Err is why the request could not be read to its end, or nil.
	Err error
}

// Answer is what an Upstream does about a request.
type Answer struct {
	// Bytes are sent as they are.
	Bytes string
	// Early sends them as soon as the head has come, and reads the body afterwards.
	Early bool
	// Close closes the connection behind them, Reset does so abruptly.
	Close, Reset bool
	// Then, if set, is given the connection instead of going on, with what was read ahead.
	Then func(conn net.Conn, r *bufio.Reader)
}

// OK is the answer of an Upstream that was not told another.
var OK = Answer{Bytes: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"}

// Upstream is a server that records what it is asked, strictly taken apart, and answers with scripted bytes.
type Upstream struct {
	// Addr is where it listens, on loopback.
	Addr string

	answer   func(*Request) Answer
	listener net.Listener
	mu       sync.Mutex
	changed  chan struct{}
	requests []*Request
	conns    []net.Conn
	open     int
}

// NewUpstream starts an upstream that ends with the test. answer may be nil; it is called when the head of
// a request is there, from a goroutine of each connection.
func NewUpstream(tb testing.TB, answer func(*Request) Answer) *Upstream {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("listen: %v", err)
	}
	u := &Upstream{Addr: l.Addr().String(), answer: answer, listener: l, changed: make(chan struct{})}
	if answer == nil {
		u.answer = func(*Request) Answer { return OK }
	}
	var done sync.WaitGroup
	done.Go(func() { u.accept(&done) })
	tb.Cleanup(func() {
		l.Close()
		u.mu.Lock()
		for _, c := range u.conns {
			c.Close()
		}
		u.mu.Unlock()
		done.Wait()
	})
	return u
}

// accept serves connections until the listener is closed.
func (u *Upstream) accept(done *sync.WaitGroup) {
	for {
		conn, err := u.listener.Accept()
		if err != nil {
			return
		}
		u.mu.Lock()
		n := len(u.conns)
		u.conns = append(u.conns, conn)
		u.open++
		u.wake()
		u.mu.Unlock()
		done.Go(func() {
			u.serve(conn, n)
			conn.Close()
			u.mu.Lock()
			u.open--
			u.wake()
			u.mu.Unlock()
		})
	}
}

// serve answers the requests of one connection.
func (u *Upstream) serve(conn net.Conn, n int) {
	r := bufio.NewReader(conn)
	for {
		m, err := readHead(r)
		if err == io.EOF || errors.Is(err, net.ErrClosed) {
			return
		}
		if m == nil {
			m = &Message{}
		}
		q := &Request{Message: *m, Conn: n, Err: err}
		var a Answer
		if err == nil {
			a = u.answer(q)
			if a.Early {
				io.WriteString(conn, a.Bytes)
			}
			q.Err = q.readBody(r, false)
		}
		u.mu.Lock()
		u.requests = append(u.requests, q)
		u.wake()
		u.mu.Unlock()
		if q.Err != nil {
			return
		}
		if !a.Early {
			io.WriteString(conn, a.Bytes)
		}
		switch {
		case a.Then != nil:
			a.Then(conn, r)
			return
		case a.Reset:
			conn.(*net.TCPConn).SetLinger(0)
			return
		case a.Close:
			return
		}
	}
}

// wake tells those who wait that something has changed. mu is held.
func (u *Upstream) wake() {
	close(u.changed)
	u.changed = make(chan struct{})
}

// Requests returns the requests that have come to their end so far, well or badly.
func (u *Upstream) Requests() []*Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]*Request(nil), u.requests...)
}

// Conns returns how many connections were accepted, and how many of them are open.
func (u *Upstream) Conns() (accepted, open int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.conns), u.open
}

// WaitFor waits until cond holds, which is asked whenever a connection or a request comes or goes, and
// reports whether it came to hold within Wait.
func (u *Upstream) WaitFor(cond func() bool) bool {
	timeout := time.After(Wait)
	for {
		u.mu.Lock()
		changed := u.changed
		u.mu.Unlock()
		if cond() {
			return true
		}
		select {
		case <-changed:
		case <-timeout:
			return cond()
		}
	}
}
