//lint:file-ignore SA1019 the server of x/net is the peer that speaks HTTP/2 in cleartext by prior knowledge.

package http2

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/yettproxy/yett/proxy/wire"
)

// sink is the client of an exchange: it keeps what is written to it.
type sink struct {
	wire.Stream
	bytes.Buffer
	flushes int
	// before, if set, is called before each write.
	before func()
}

func (s *sink) Write(p []byte) (int, error) {
	if s.before != nil {
		s.before()
	}
	return s.Buffer.Write(p)
}

func (s *sink) Read(p []byte) (int, error) { return s.Buffer.Read(p) }

func (s *sink) Flush() error {
	s.flushes++
	return nil
}

// reply is a response as it came out of the engine.
type reply struct {
	status   int
	fields   map[string]string
	body     string
	trailers map[string]string
	length   int64
	err      error
}

// list makes a map of fields.
func list(f *wire.Fields) map[string]string {
	m := map[string]string{}
	if f != nil {
		for _, field := range f.All() {
			m[field.Name] = field.Value
		}
	}
	return m
}

// call makes a request.
func call(method, target string, length int64, fields ...string) *wire.Request {
	r := &wire.Request{Method: method, Target: target, Authority: "a.test", Length: length}
	for i := 0; i+1 < len(fields); i += 2 {
		r.Fields.Add(fields[i], fields[i+1])
	}
	return r
}

// stream takes a place on a connection.
func place(tb testing.TB, c *ClientConn) *ClientStream {
	tb.Helper()
	if !c.Reserve() {
		tb.Fatal("no place on the connection")
	}
	s := c.Stream()
	s.SetReadTimeout(patience)
	s.SetWriteTimeout(patience)
	return s
}

// finish reads the response to a request.
func finish(s *ClientStream) (a reply) {
	var r wire.Response
	for r.Status < 200 {
		if a.err = s.ReadResponse(&r, nil, "", 32<<10); a.err != nil {
			return a
		}
	}
	a.status, a.fields, a.length = r.Status, list(&r.Fields), r.Length
	var to sink
	if _, a.err, _ = s.CopyBody(&to); a.err == nil {
		a.trailers = list(s.Trailers())
	}
	a.body = to.String()
	return a
}

// ask sends a request with a body and reads the response, both at the same time.
func ask(tb testing.TB, c *ClientConn, r *wire.Request, body string) reply {
	tb.Helper()
	s := place(tb, c)
	defer s.Release()
	if err := s.WriteRequest(r); err != nil {
		return reply{err: err}
	}
	sent := make(chan error, 1)
	go func() { sent <- errors.Join(s.WriteBody([]byte(body)), s.FinishWithRead(nil)) }()
	a := finish(s)
	if a.err != nil {
		s.Close()
	}
	if err := <-sent; a.err == nil {
		a.err = err
	}
	return a
}

// greeted returns a connection to addr.
func greeted(tb testing.TB, addr string) *ClientConn {
	tb.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	c := NewClientConn(nc)
	if err := c.Greet(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.fail(net.ErrClosed) })
	return c
}

// toXnet returns a connection to golang.org/x/net/http2.Server.
func toXnet(tb testing.TB, handler http.HandlerFunc, change func(*xhttp2.Server)) *ClientConn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	srv := &xhttp2.Server{}
	if change != nil {
		change(srv)
	}
	var done sync.WaitGroup
	done.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() { srv.ServeConn(nc, &xhttp2.ServeConnOpts{Handler: handler}) })
		}
	})
	c := greeted(tb, l.Addr().String())
	tb.Cleanup(func() {
		l.Close()
		c.fail(net.ErrClosed)
		done.Wait()
	})
	return c
}

// frames is an upstream that is written by hand.
type frames struct {
	tb testing.TB
	net.Conn
	*xhttp2.Framer
	enc bytes.Buffer
	hp  *hpack.Encoder
}

// byHand returns a connection to an upstream that a script plays. The connection is greeted when the script has sent its
// settings.
func byHand(tb testing.TB, script func(u *frames)) *ClientConn {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(patience))
		u := &frames{tb: tb, Conn: nc, Framer: xhttp2.NewFramer(nc, nc)}
		u.AllowIllegalWrites = true
		u.hp = hpack.NewEncoder(&u.enc)
		u.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		hello := make([]byte, len(preface))
		if _, err := nc.Read(hello); err != nil || string(hello) != preface {
			tb.Errorf("preface: %q, %v", hello, err)
		}
		script(u)
	}()
	tb.Cleanup(func() {
		l.Close()
		<-done
	})
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	c := NewClientConn(nc)
	tb.Cleanup(func() { c.fail(net.ErrClosed) })
	return c
}

// block encodes fields.
func (u *frames) block(fields ...string) []byte {
	u.enc.Reset()
	for i := 0; i+1 < len(fields); i += 2 {
		u.hp.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(u.enc.Bytes())
}

// headers sends a head.
func (u *frames) headers(id uint32, end bool, fields ...string) {
	u.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, EndHeaders: true, EndStream: end, BlockFragment: u.block(fields...)})
}

// await reads frames until one is as wanted, and returns it; nil at the end of the connection.
func (u *frames) await(wanted func(f xhttp2.Frame) bool) xhttp2.Frame {
	for {
		f, err := u.ReadFrame()
		if err != nil {
			return nil
		}
		if wanted(f) {
			return f
		}
	}
}

// request waits for the head of a request and returns its stream.
func (u *frames) request() uint32 {
	f := u.await(func(f xhttp2.Frame) bool { _, ok := f.(*xhttp2.MetaHeadersFrame); return ok })
	if f == nil {
		u.tb.Error("no request came")
		return 0
	}
	return f.Header().StreamID
}

// reset waits for RST_STREAM and returns its code.
func (u *frames) reset() xhttp2.ErrCode {
	f := u.await(func(f xhttp2.Frame) bool { _, ok := f.(*xhttp2.RSTStreamFrame); return ok })
	if f == nil {
		u.tb.Error("no RST_STREAM came")
		return 0
	}
	return f.(*xhttp2.RSTStreamFrame).ErrCode
}

// gone waits for the end of the connection and returns the code of GOAWAY before it; -1 for none.
func (u *frames) gone() int {
	code := -1
	u.await(func(f xhttp2.Frame) bool {
		if g, ok := f.(*xhttp2.GoAwayFrame); ok {
			code = int(g.ErrCode)
		}
		return false
	})
	return code
}

// greet waits for the greeting.
func greet(tb testing.TB, c *ClientConn) {
	tb.Helper()
	if err := c.Greet(tb.Context()); err != nil {
		tb.Fatal(err)
	}
}

// check compares a reply with what is wanted, in words.
func check(t *testing.T, a reply, want string) {
	t.Helper()
	var words []string
	switch {
	case a.err == nil:
		words = append(words, fmt.Sprint(a.status, " ", a.body))
	case errors.Is(a.err, wire.ErrRefused):
		words = append(words, "refused")
	case errors.Is(a.err, wire.ErrHeadTooLarge):
		words = append(words, "head too large")
	case errors.Is(a.err, wire.ErrMalformed):
		words = append(words, "malformed")
	default:
		words = append(words, a.err.Error())
	}
	if got := strings.Join(words, " "); got != want {
		t.Errorf("got %q (%v), want %q", got, a.err, want)
	}
}
