package h2raw

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// Wait is how long a Conn waits for a frame before it takes the connection for stuck.
const Wait = 10 * time.Second

// Conn is a client that sends what it is told, and keeps book on what comes back. What a server must never send is an
// error of the test.
type Conn struct {
	// Enc and Dec are the two directions' compression of heads.
	Enc *Encoder
	Dec *Decoder
	// Settings are what the server has announced.
	Settings map[uint16]uint32
	// Acks and Pongs count what was acknowledged; Pings are the payloads of the pongs.
	Acks, Pongs int
	Pings       []string
	// GoAways are the last streams that GOAWAY frames named, and Code that of the last one.
	GoAways []uint32
	Code    Code
	// Granted is what the server has granted by WINDOW_UPDATE, by stream.
	Granted map[uint32]int
	// Mute says that SETTINGS are not acknowledged nor PINGs answered, and Stingy that windows are not opened again.
	Mute, Stingy bool

	tb      testing.TB
	conn    net.Conn
	r       *bufio.Reader
	answers map[uint32]*Answer
	first   int         // window that new streams grant the server
	windows map[int]int // what is left of what was granted; -1 is the connection
	frames  int
	closed  error
}

// Answer is what came on a stream.
type Answer struct {
	// Interim are the statuses of interim responses.
	Interim          []string
	Status           string
	Fields, Trailers []Field
	Body             []byte
	// Frames counts DATA frames.
	Frames int
	// Done says that END_STREAM came, Reset that RST_STREAM did, with Code.
	Done, Reset bool
	Code        Code
}

// String is the answer in short: "200", "RST CANCEL", "200 RST CANCEL", or "nothing".
func (a *Answer) String() string {
	switch {
	case a.Reset:
		return strings.TrimSpace(a.Status + " RST " + a.Code.String())
	case !a.Done:
		return strings.TrimSpace(a.Status + " nothing")
	}
	return a.Status
}

// Field returns the value of a field, or "".
func (a *Answer) Field(name string) string {
	for _, f := range a.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Dial connects, over TLS with ALPN unless the configuration is nil. It says nothing. The connection is closed when the test ends.
func Dial(tb testing.TB, addr string, config *tls.Config) *Conn {
	tb.Helper()
	conn, err := net.DialTimeout("tcp", addr, Wait)
	if err != nil {
		tb.Fatalf("dial %s: %v", addr, err)
	}
	tb.Cleanup(func() { conn.Close() })
	if config != nil {
		config = config.Clone()
		config.NextProtos = []string{"h2"}
		secure := tls.Client(conn, config)
		_ = conn.SetDeadline(time.Now().Add(Wait))
		if err := secure.Handshake(); err != nil {
			tb.Fatalf("handshake with %s: %v", addr, err)
		}
		if p := secure.ConnectionState().NegotiatedProtocol; p != "h2" {
			tb.Fatalf("handshake with %s: agreed on %q", addr, p)
		}
		_ = conn.SetDeadline(time.Time{})
		conn = secure
	}
	return &Conn{
		Enc: NewEncoder(), Dec: NewDecoder(), Settings: map[uint16]uint32{}, Granted: map[uint32]int{},
		tb: tb, conn: conn, r: bufio.NewReader(conn), answers: map[uint32]*Answer{},
		first: 65535, windows: map[int]int{-1: 65535},
	}
}

// Greet sends the preface and SETTINGS, and waits for those of the server.
func (c *Conn) Greet(list ...Setting) *Conn {
	c.tb.Helper()
	c.Write([]byte(Preface))
	c.Send(SettingsFrame(list...))
	for _, s := range list {
		if s.ID == InitialWindowSize {
			c.first = int(s.Value)
		}
	}
	c.Until(func() bool { return c.frames > 0 })
	return c
}

// Conn returns the connection, for what a test has to do by itself.
func (c *Conn) Conn() net.Conn { return c.conn }

// Write sends bytes as they are. A server that has closed the connection is no error: it shows when something is read.
func (c *Conn) Write(p []byte) error {
	_ = c.conn.SetWriteDeadline(time.Now().Add(Wait))
	_, err := c.conn.Write(p)
	return err
}

// Send sends frames.
func (c *Conn) Send(frames ...Frame) error {
	var b []byte
	for _, f := range frames {
		b = f.Append(b)
		if f.Type == WindowUpdate && len(f.Payload) == 4 {
			c.grant(f.Stream, int(binary.BigEndian.Uint32(f.Payload)))
		}
	}
	return c.Write(b)
}

// grant notes that the server may send more.
func (c *Conn) grant(stream uint32, n int) {
	if stream == 0 {
		c.windows[-1] += n
	} else {
		c.windows[int(stream)] = c.window(stream) + n
	}
}

// window returns what a stream may still send.
func (c *Conn) window(stream uint32) int {
	if n, ok := c.windows[int(stream)]; ok {
		return n
	}
	return c.first
}

// Request sends a head of lines such as ":path: /" in one HEADERS frame.
func (c *Conn) Request(stream uint32, end bool, lines ...string) error {
	return c.Send(HeadersFrame(stream, end, c.Enc.Block(Fields(lines...)...)))
}

// Fields takes lines apart.
func Fields(lines ...string) (list []Field) {
	for _, line := range lines {
		name, value, _ := strings.Cut(line[1:], ": ")
		list = append(list, Field{line[:1] + name, value})
	}
	return list
}

// First notes what SETTINGS that were sent and acknowledged grant each stream at first.
func (c *Conn) First(n int) {
	for stream := range c.windows {
		if stream >= 0 {
			c.windows[stream] += n - c.first
		}
	}
	c.first = n
}

// At returns what has come on a stream so far.
func (c *Conn) At(stream uint32) *Answer {
	if c.answers[stream] == nil {
		c.answers[stream] = new(Answer)
	}
	return c.answers[stream]
}

// Step takes the next frame. It is false at the end of the connection.
func (c *Conn) Step() bool {
	c.tb.Helper()
	if c.closed != nil {
		return false
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(Wait))
	f, err := ReadFrame(c.r)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.tb.Fatal("nothing comes, and the connection is open")
	}
	if err != nil {
		c.closed = err
		return false
	}
	c.take(f)
	return true
}

// Until takes frames until a condition holds. It is false if the connection ends before.
func (c *Conn) Until(f func() bool) bool {
	c.tb.Helper()
	for !f() {
		if !c.Step() {
			return false
		}
	}
	return true
}

// Response waits until a stream is over.
func (c *Conn) Response(stream uint32) *Answer {
	c.tb.Helper()
	a := c.At(stream)
	c.Until(func() bool { return a.Done || a.Reset })
	return a
}

// End waits until the connection is closed and returns how: "GOAWAY" with a code, or "closed".
func (c *Conn) End() string {
	c.tb.Helper()
	for c.Step() {
	}
	if len(c.GoAways) > 0 {
		return "GOAWAY " + c.Code.String()
	}
	return "closed"
}

// Drain reads frames and forgets them until GOAWAY comes, or the end, which it returns as End does. Meanwhile another goroutine may
// call Write and Send; nothing else of the Conn works any more.
func (c *Conn) Drain() string {
	for {
		_ = c.conn.SetReadDeadline(time.Now().Add(Wait))
		f, err := ReadFrame(c.r)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return "open"
		case err != nil:
			return "closed"
		case f.Type == GoAway && len(f.Payload) >= 8:
			return "GOAWAY " + Code(binary.BigEndian.Uint32(f.Payload[4:])).String()
		}
	}
}

// wrong notes what a server must not do.
func (c *Conn) wrong(section, format string, args ...any) {
	c.tb.Helper()
	c.tb.Errorf("RFC 9113 section %s: %s", section, fmt.Sprintf(format, args...))
}
