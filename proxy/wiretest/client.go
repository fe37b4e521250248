package wiretest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Wait is how long a Client waits for bytes before it takes the connection for stuck.
const Wait = 5 * time.Second

// Client sends exact bytes to a server and reads its answers.
type Client struct {
	tb   testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// Dial connects to a server. The connection is closed when the test ends.
func Dial(tb testing.TB, addr string) *Client {
	tb.Helper()
	conn, err := net.DialTimeout("tcp", addr, Wait)
	if err != nil {
		tb.Fatalf("dial %s: %v", addr, err)
	}
	return NewClient(tb, conn)
}

// NewClient returns a client on a connection that is there already. It is closed when the test ends.
func NewClient(tb testing.TB, conn net.Conn) *Client {
	tb.Cleanup(func() { conn.Close() })
	return &Client{tb: tb, conn: conn, r: bufio.NewReader(conn)}
}

// Conn returns the connection, for what a test has to do by itself.
func (c *Client) Conn() net.Conn { return c.conn }

// Raw returns what is read from the connection, for what is no response.
func (c *Client) Raw() *bufio.Reader { return c.r }

// Send sends bytes as they are. A server that has closed the connection is no error: it shows when an
// answer is read.
func (c *Client) Send(raw string) {
	c.conn.SetWriteDeadline(time.Now().Add(Wait))
	io.WriteString(c.conn, raw)
}

// Response reads the next response, interim ones included. The method is that of the request: an answer
// to HEAD has no body. An error comes with what was read of the response; it is io.EOF if the connection was closed
// before its first byte.
func (c *Client) Response(method string) (*Message, error) {
	c.conn.SetReadDeadline(time.Now().Add(Wait))
	m, err := readHead(c.r)
	if err != nil {
		return m, err
	}
	if !strings.HasPrefix(m.StartLine, "HTTP/1.1 ") || m.Status() < 100 {
		return m, errors.New("malformed status line " + m.StartLine)
	}
	switch s := m.Status(); {
	case s < 200 || s == 204 || s == 304 || method == "HEAD":
		m.Complete = true
		return m, nil
	}
	return m, m.readBody(c.r, true)
}

// Must reads the next response, which must have this status and be complete.
func (c *Client) Must(method string, status int) *Message {
	c.tb.Helper()
	m, err := c.Response(method)
	if err != nil {
		c.tb.Fatalf("read response: %v (so far %+v)", err, m)
	}
	if m.Status() != status {
		c.tb.Fatalf("response is %q, want %d", m.StartLine, status)
	}
	return m
}

// End says how a connection ended.
type End string

// The ways for a connection to end.
const (
	// Closed is an orderly end.
	Closed End = "closed"
	// Reset is an abrupt end.
	Reset End = "reset"
	// Open means that it has not ended.
	Open End = "open"
	// Talking means that bytes came instead.
	Talking End = "more bytes"
)

// End waits for the end of the connection and says how it came; Open if it does not come within d.
func (c *Client) End(d time.Duration) End {
	c.conn.SetReadDeadline(time.Now().Add(d))
	_, err := c.r.ReadByte()
	switch {
	case err == nil:
		c.r.UnreadByte()
		return Talking
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe):
		return Closed
	case errors.Is(err, syscall.ECONNRESET):
		return Reset
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Open
	}
	c.tb.Errorf("read to the end: %v", err)
	return Reset
}

// Statuses reads responses until the connection ends and returns their status codes, and how it ended. It
// stops at the first response that is incomplete or malformed, which then counts as -1. Open means that
// nothing came for the time d.
func (c *Client) Statuses(d time.Duration, methods ...string) ([]int, End) {
	var out []int
	for final := 0; ; {
		if end := c.End(d); end != Talking {
			return out, end
		}
		method := "GET"
		if final < len(methods) {
			method = methods[final]
		}
		m, err := c.Response(method)
		if err != nil {
			return append(out, -1), c.End(d)
		}
		out = append(out, m.Status())
		if m.Status() >= 200 {
			final++
		}
	}
}
