package http2

import (
	"bytes"
	"io"
	"net"
	"os"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// script is a connection in memory: what a client sends, and the end.
type script struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *script) Read(p []byte) (int, error)       { return s.in.Read(p) }
func (s *script) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *script) Close() error                     { return nil }
func (s *script) LocalAddr() net.Addr              { return nil }
func (s *script) RemoteAddr() net.Addr             { return nil }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return os.ErrDeadlineExceeded }

// handler checks what reaches it.
type handler struct{ t *testing.T }

func (h handler) ServeExchange(x *filter.Exchange) {
	q := &x.Request
	if q.Path == "" || q.Path[0] != '/' || q.Host == "" || !wire.IsToken(q.Method) || q.Method == "CONNECT" {
		h.t.Errorf("served %q %q %q", q.Method, q.Path, q.Host)
	}
	for _, f := range q.Fields.All() {
		if !wire.IsToken(f.Name) || !wire.ValidValue(f.Value) || f.ID == wire.TransferEncoding || f.ID == wire.Connection {
			h.t.Errorf("served with %q: %q", f.Name, f.Value)
		}
	}
	n := int64(0)
	var buf [1000]byte
	for {
		m, err := x.Stream.Read(buf[:])
		n += int64(m)
		if err != nil {
			break
		}
	}
	if q.Length >= 0 && n > q.Length {
		h.t.Errorf("%d bytes of a body of %d", n, q.Length)
	}
	if q.Upgrade && q.Query == "" {
		nc := accept(h.t, x)
		if nc != nil {
			io.Copy(nc, nc)
			nc.Close()
		}
		return
	}
	x.ReplyText(200, "text/plain", "ok")
	write(x)
}

// FuzzFrames sends anything behind the preface. Nothing malformed may be served, and what comes back must be frames.
func FuzzFrames(f *testing.F) {
	seed := func(write func(fr *xhttp2.Framer, c *client)) {
		var b bytes.Buffer
		fr := xhttp2.NewFramer(&b, nil)
		fr.AllowIllegalWrites = true
		c := new(rig).encoder()
		c.fr = fr
		fr.WriteSettings()
		write(fr, c)
		f.Add(b.Bytes())
	}
	seed(func(fr *xhttp2.Framer, c *client) {
		c.headers(1, true, get("/a?b", "cookie", "a=1", "cookie", "b=2")...)
	})
	seed(func(fr *xhttp2.Framer, c *client) {
		c.headers(1, false, post("/", "content-length", "5")...)
		fr.WriteDataPadded(1, true, []byte("hello"), make([]byte, 9))
	})
	seed(func(fr *xhttp2.Framer, c *client) {
		c.headers(1, false, post("/")...)
		fr.WriteData(1, false, []byte("hello"))
		c.headers(1, true, "x-sum", "1")
		fr.WriteRSTStream(1, xhttp2.ErrCodeCancel)
	})
	seed(func(fr *xhttp2.Framer, c *client) {
		c.open(1)
		fr.WriteContinuation(1, true, c.block("x-a", "b"))
		fr.WritePing(false, [8]byte{1})
		fr.WriteWindowUpdate(1, 1<<31-1)
		fr.WriteWindowUpdate(0, 9)
		fr.WritePriority(3, xhttp2.PriorityParam{StreamDep: 3})
		fr.WriteGoAway(1, 0, nil)
	})
	seed(func(fr *xhttp2.Framer, c *client) {
		fr.WriteSettings(xhttp2.Setting{ID: 4, Val: 0}, xhttp2.Setting{ID: 1, Val: 0}, xhttp2.Setting{ID: 5, Val: 20000})
		c.headers(1, true, get("/")...)
		fr.WriteSettings(xhttp2.Setting{ID: 4, Val: 1})
	})
	seed(func(fr *xhttp2.Framer, c *client) {
		c.headers(1, false, handshake(":path", "/ws")...)
		c.headers(3, false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "a.test", ":path", "/ws")
		fr.WriteData(3, false, []byte("hello"))
		fr.WriteData(3, true, nil)
	})
	f.Fuzz(func(t *testing.T, frames []byte) {
		s := &script{in: bytes.NewReader(append([]byte(xhttp2.ClientPreface), frames...))}
		srv := Server{Handler: handler{t}, Limits: func() *wire.Limits {
			l := wire.DefaultLimits()
			l.WriteTimeout = 0
			return &l
		}}
		srv.Serve(t.Context(), s, &filter.Conn{})
		srv.Shutdown()
		back := xhttp2.NewFramer(nil, &s.out)
		for {
			if _, err := back.ReadFrame(); err != nil {
				if s.out.Len() > 0 {
					t.Errorf("what came back is no frame: %v", err)
				}
				return
			}
		}
	})
}
