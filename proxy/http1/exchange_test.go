package http1

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
	"github.com/yettproxy/yett/proxy/wiretest"
)

// webSocket is a good handshake with more fields (LF for CRLF).
func webSocket(more string) string {
	return crlf("GET /ws HTTP/1.1\nHost: a.test\nConnection: keep-alive, Upgrade\nUpgrade: websocket\nSec-WebSocket-Key: x\n" + more + "\n")
}

func TestOnlyExactUpgradesAreUpgrades(t *testing.T) {
	for name, c := range map[string]struct {
		send string
		want bool
	}{
		"a handshake":         {webSocket(""), true},
		"mixed case":          {strings.Replace(webSocket(""), "websocket", "WebSocket", 1), true},
		"K-06 h2c":            {field("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x"), false},
		"K-07 foo":            {field("Connection: Upgrade\r\nUpgrade: foo"), false},
		"K-07 a list":         {field("Connection: Upgrade\r\nUpgrade: websocket, h2c"), false},
		"K-07 a version":      {field("Connection: Upgrade\r\nUpgrade: WebSocket/13"), false},
		"K-07 two lines":      {webSocket("Upgrade: websocket\n"), false},
		"K-11 no Connection":  {field("Upgrade: websocket"), false},
		"K-11 HTTP/1.0":       {strings.Replace(webSocket(""), "HTTP/1.1", "HTTP/1.0", 1), false},
		"K-11 another method": {strings.Replace(webSocket(""), "GET", "PUT", 1), false},
		"a body of no bytes":  {webSocket("Content-Length: 0\n"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.run(c.send, []int{200}, true)
			if got := r.requests()[0].upgrade; got != c.want {
				t.Errorf("upgrade is %v, want %v", got, c.want)
			}
		})
	}
}

func TestHijackHandsOverWhatWasRead(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		x.Response.Status = 101
		x.Response.Fields.Add("Sec-WebSocket-Accept", "y")
		x.Response.Fields.AddKnown(wire.Upgrade, "websocket")
		if err := x.Stream.WriteHead(&x.Response); err != nil {
			t.Error(err)
		}
		conn, read, err := x.Stream.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		io.WriteString(conn, "tunnel:"+string(read))
		io.Copy(conn, conn)
	}
	c := wiretest.Dial(t, r.addr)
	c.Send(webSocket("") + "first")
	m := c.Must("GET", 101)
	if m.Get("Connection") != "upgrade" || m.Get("Upgrade") != "websocket" || len(m.Values("Upgrade")) != 1 || m.Has("Content-Length") || m.Get("Sec-WebSocket-Accept") != "y" {
		t.Errorf("head of the upgrade: %+v", m.Fields)
	}
	c.Send(", second")
	c.Conn().(*net.TCPConn).CloseWrite()
	got, err := io.ReadAll(c.Raw())
	if string(got) != "tunnel:first, second" || err != nil {
		t.Errorf("through the tunnel came %q, %v", got, err)
	}
}

func TestBytesBehindAnUpgradeThatIsRefusedAreARequest(t *testing.T) {
	r := newRig(t)
	r.run(webSocket("")+smug, []int{200, 200}, true) // K-08, K-09
	if got := r.lines(); got != "GET /ws a.test\nGET /smuggled b.test" {
		t.Errorf("handler saw\n%s", got)
	}
}

func TestExpectContinue(t *testing.T) {
	const head = "POST /p HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
	t.Run("100 comes when the body is read", func(t *testing.T) {
		r := newRig(t)
		c := wiretest.Dial(t, r.addr)
		c.Send(head)
		c.Must("POST", 100)
		c.Send("hi" + after)
		c.Must("POST", 200)
		c.Must("GET", 200)
		if got := r.lines(); got != "POST /p a.test hi\nGET /after z.test" {
			t.Errorf("handler saw\n%s", got)
		}
	})
	t.Run("K-04 no 100 before a refusal, which ends the connection", func(t *testing.T) {
		r := newRig(t)
		r.serve = func(x *filter.Exchange) {
			if !x.Request.ExpectContinue {
				t.Error("the expectation was not seen")
			}
			x.Reply(401)
			write(x)
		}
		r.run(head, []int{401}, false)
	})
	t.Run("an upstream's 100 is relayed once", func(t *testing.T) {
		r := newRig(t)
		r.serve = func(x *filter.Exchange) {
			for i := 0; i < 2 && x.Request.ExpectContinue; i++ {
				x.Stream.Informational(&wire.Response{Status: 100})
			}
			answer(x, r.record(x).err)
		}
		r.run(head+"hi", []int{100, 200}, true)
	})
	t.Run("nobody waits if there is no body", func(t *testing.T) {
		newRig(t).run(field("Expect: 100-continue"), []int{200}, true)
	})
	t.Run("a reader beside the writer", func(t *testing.T) {
		// One goroutine reads the body, and so sends 100, while another one answers: the 100 is before the
		// final head or not there at all.
		r := newRig(t)
		r.serve = func(x *filter.Exchange) {
			done := make(chan struct{})
			go func() {
				defer close(done)
				io.ReadAll(x.Stream)
			}()
			x.ReplyText(403, "", "no")
			write(x)
			x.Stream.(wire.Interrupter).Interrupt()
			<-done
		}
		for range 50 {
			c := wiretest.Dial(t, r.addr)
			c.Send(head)
			m, err := c.Response("POST")
			if err == nil && m.Status() == 100 {
				m, err = c.Response("POST")
			}
			if err != nil || m.Status() != 403 || m.Body != "no" {
				t.Fatalf("response %+v, %v", m, err)
			}
		}
	})
}

func TestInterimResponses(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		early := wire.Response{Status: 103}
		early.Fields.Add("Link", "</x>; rel=preload")
		for range 3 {
			if err := x.Stream.Informational(&early); err != nil {
				t.Error(err)
			}
		}
		answer(x, r.record(x).err)
	}
	c := wiretest.Dial(t, r.addr)
	c.Send(get("GET / HTTP/1.1"))
	for range 3 {
		if m := c.Must("GET", 103); m.Get("Link") == "" || m.Has("Content-Length") {
			t.Errorf("interim response has %+v", m.Fields)
		}
	}
	c.Must("GET", 200)
}

func TestInterimResponsesDoNotGoToHTTP10(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		x.Stream.Informational(&wire.Response{Status: 103})
		answer(x, nil)
	}
	r.run(get("GET / HTTP/1.0"), []int{200}, false)
}

// respond is a handler that answers with these fields, this length and this body.
func respond(status int, length int64, body string) func(x *filter.Exchange) {
	return func(x *filter.Exchange) {
		x.Response.Status, x.Response.Length = status, length
		x.Response.HasLength = length >= 0
		x.Body = body
		write(x)
	}
}

func TestResponseFraming(t *testing.T) {
	type want struct {
		length, encoding, connection, body string
	}
	for name, c := range map[string]struct {
		line   string
		status int
		length int64
		body   string
		want   want
	}{
		"a known length":             {"GET / HTTP/1.1", 200, 2, "hi", want{length: "2", body: "hi"}},
		"an empty body":              {"GET / HTTP/1.1", 200, 0, "", want{length: "0"}},
		"an unknown length":          {"GET / HTTP/1.1", 200, wire.Unknown, "hi", want{encoding: "chunked", body: "hi"}},
		"unknown to HTTP/1.0":        {"GET / HTTP/1.0", 200, wire.Unknown, "hi", want{connection: "close", body: "hi"}},
		"R-01 HEAD keeps the length": {"HEAD / HTTP/1.1", 200, 55, strings.Repeat("x", 55), want{length: "55"}},
		"HEAD of unknown length":     {"HEAD / HTTP/1.1", 200, wire.Unknown, "hi", want{}},
		"R-02 204 has no body":       {"GET / HTTP/1.1", 204, 2, "hi", want{}},
		"R-02 304 keeps the length":  {"GET / HTTP/1.1", 304, 55, "hi", want{length: "55"}},
		"304 without a length":       {"GET / HTTP/1.1", 304, wire.Unknown, "", want{}},
		"client asks to close":       {"GET / HTTP/1.1\r\nConnection: close", 200, 2, "hi", want{length: "2", connection: "close", body: "hi"}},
		"HTTP/1.0 asks to keep":      {"GET / HTTP/1.0\r\nConnection: keep-alive", 200, 2, "hi", want{length: "2", connection: "keep-alive", body: "hi"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.serve = respond(c.status, c.length, c.body)
			client := wiretest.Dial(t, r.addr)
			client.Send(get(c.line))
			method, _, _ := strings.Cut(c.line, " ")
			m := client.Must(method, c.status)
			if got := (want{m.Get("Content-Length"), m.Get("Transfer-Encoding"), m.Get("Connection"), m.Body}); got != c.want {
				t.Errorf("response has %+v, want %+v", got, c.want)
			}
			if !m.Has("Date") {
				t.Error("response has no Date")
			}
			if c.want.connection == "close" {
				if end := client.End(wiretest.Wait); end != wiretest.Closed {
					t.Errorf("connection is %s, want it closed", end)
				}
				return
			}
			client.Send(get("HEAD / HTTP/1.1"))
			client.Must("HEAD", c.status)
		})
	}
}

func TestResponseHeadIsTheEnginesToFrame(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		x.ReplyText(200, "text/plain", "hi")
		for name, value := range map[string]string{"Content-Length": "9", "transfer-encoding": "chunked", "Connection": "close", "Keep-Alive": "x", "Upgrade": "foo"} {
			x.Response.Fields.Add(name, value)
		}
		x.Response.Fields.Add("X-Bad", "a\r\nX-Smug: 1\x00")
		x.Response.Fields.Add("Date", "yesterday")
		x.Response.Fields.Add("Set-Cookie", "a=1")
		x.Response.Fields.Add("Set-Cookie", "b=2")
		x.Response.Reason = "Fine\r\nX-Smug: 2"
		write(x)
	}
	c := wiretest.Dial(t, r.addr)
	c.Send(get("GET / HTTP/1.1"))
	m := c.Must("GET", 200)
	var got []string
	for _, f := range m.Fields {
		got = append(got, f.Name+"="+f.Value)
	}
	want := "Content-Type=text/plain|X-Bad=a  X-Smug: 1|Date=yesterday|Set-Cookie=a=1|Set-Cookie=b=2|Content-Length=2"
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("fields are %q, want %q", s, want)
	}
	if m.StartLine != "HTTP/1.1 200 Fine  X-Smug: 2" {
		t.Errorf("status line is %q", m.StartLine)
	}
}

func TestChunkedResponsesCarryTrailersAndFlush(t *testing.T) {
	r := newRig(t)
	gate := make(chan struct{})
	r.serve = func(x *filter.Exchange) {
		x.Response.Status, x.Response.Length = 200, wire.Unknown
		s := x.Stream
		s.WriteHead(&x.Response)
		s.Write([]byte("first"))
		s.Flush()
		<-gate
		s.Write(bytes.Repeat([]byte("x"), 100_000))
		s.Write(nil)
		s.Write([]byte("last"))
		var trailers wire.Fields
		trailers.Add("Grpc-Status", "0")
		s.Finish(&trailers)
		if total, body := s.Written(); body != 100_009 || total <= body {
			t.Errorf("written %d in all, %d of body", total, body)
		}
	}
	c := wiretest.Dial(t, r.addr)
	c.Send(get("GET / HTTP/1.1"))
	// The first chunk is here although the response is not over.
	var begin []byte
	for !bytes.HasSuffix(begin, []byte("5\r\nfirst\r\n")) {
		b, err := c.Raw().ReadByte()
		if err != nil {
			t.Fatal(err)
		}
		begin = append(begin, b)
	}
	close(gate)
	rest := wiretest.NewClient(t, replay{Conn: c.Conn(), r: io.MultiReader(bytes.NewReader(begin), c.Raw())})
	m := rest.Must("GET", 200)
	if len(m.Body) != 100_009 || !m.Chunked || len(m.Trailers) != 1 || m.Trailers[0].Name != "Grpc-Status" {
		t.Errorf("body of %d bytes, trailers %+v", len(m.Body), m.Trailers)
	}
}

// replay is a connection of which something was read already.
type replay struct {
	net.Conn
	r io.Reader
}

func (r replay) Read(p []byte) (int, error) { return r.r.Read(p) }

func TestAResponseThatIsNotCompleteNeverLooksComplete(t *testing.T) {
	for name, c := range map[string]struct {
		line  string
		serve func(x *filter.Exchange)
	}{
		"fewer bytes than announced": {"GET / HTTP/1.1", respond(200, 10, "hi")},
		"aborted in chunks": {"GET / HTTP/1.1", func(x *filter.Exchange) {
			x.Response.Status, x.Response.Length = 200, wire.Unknown
			x.Stream.WriteHead(&x.Response)
			io.WriteString(x.Stream, "hi")
			x.Stream.Flush()
			x.Stream.Abort()
		}},
		"aborted until close": {"GET / HTTP/1.0", func(x *filter.Exchange) {
			x.Response.Status, x.Response.Length = 200, wire.Unknown
			x.Stream.WriteHead(&x.Response)
			io.WriteString(x.Stream, "hi")
			x.Stream.Flush()
			x.Stream.Abort()
		}},
		"never finished": {"GET / HTTP/1.1", func(x *filter.Exchange) {
			x.Response.Status, x.Response.Length = 200, wire.Unknown
			x.Stream.WriteHead(&x.Response)
			io.WriteString(x.Stream, "hi")
			x.Stream.Flush()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.serve = c.serve
			client := wiretest.Dial(t, r.addr)
			client.Send(get(c.line))
			if m, err := client.Response("GET"); err == nil && m.Complete {
				t.Errorf("response looks complete: %+v", m)
			}
		})
	}
	t.Run("more bytes than announced", func(t *testing.T) {
		r := newRig(t)
		r.serve = respond(200, 1, "hi")
		client := wiretest.Dial(t, r.addr)
		client.Send(get("GET / HTTP/1.1"))
		if m, err := client.Response("GET"); err == nil && m.Complete {
			t.Errorf("response looks complete: %+v", m)
		}
	})
	t.Run("no answer at all", func(t *testing.T) {
		r := newRig(t)
		r.serve = func(*filter.Exchange) {}
		r.run(get("GET / HTTP/1.1"), []int{500}, false)
	})
}

func TestPanicsEndOneConnection(t *testing.T) {
	r := newRig(t)
	var told atomic.Int32
	r.srv.Panicked = func(x *filter.Exchange, v any) {
		if v == "boom" && x.Request.Target == "/" {
			told.Add(1)
		}
	}
	r.serve = func(x *filter.Exchange) {
		if x.Request.Path == "/after" {
			answer(x, r.record(x).err)
			return
		}
		if x.Request.Query == "late" {
			x.Response.Status, x.Response.Length = 200, 10
			x.Stream.WriteHead(&x.Response)
			x.Stream.Flush()
		}
		panic("boom")
	}
	r.run(get("GET / HTTP/1.1"), []int{500}, false) // S-F20
	c := wiretest.Dial(t, r.addr)
	c.Send(get("GET /?late HTTP/1.1"))
	if m, err := c.Response("GET"); err == nil {
		t.Errorf("a response that was cut short looks complete: %+v", m)
	}
	c = wiretest.Dial(t, r.addr)
	c.Send(after)
	c.Must("GET", 200)
	if told.Load() != 1 {
		t.Errorf("told of %d panics with target /, want 1", told.Load())
	}
}

func TestBodiesThatNobodyReads(t *testing.T) {
	refuse := func(x *filter.Exchange) {
		if x.Request.Path == "/after" {
			answer(x, nil)
			return
		}
		x.Reply(413)
		write(x)
	}
	for name, c := range map[string]struct {
		send string
		open bool
	}{
		"a short body is drained":          {post("Content-Length: 100000\n", strings.Repeat("x", 100000)), true},
		"a short chunked body is drained":  {post(ch, "5\r\nhello\r\n0\r\nX: y\r\n\r\n"), true},
		"C-34 a long one is not":           {post("Content-Length: 100000000\n", strings.Repeat("x", 2<<20)), false},
		"C-34 a long chunked one is not":   {post(ch, strings.Repeat("10000\r\n"+strings.Repeat("x", 1<<16)+"\r\n", 32)), false},
		"a malformed one ends it":          {post(ch, "zz\r\n"), false},
		"one that is malformed later, too": {post(ch, "5\r\nhello\r\nzz\r\n"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.serve = refuse
			client := wiretest.Dial(t, r.addr)
			sent := make(chan struct{})
			go func() { // the server may stop reading
				defer close(sent)
				client.Send(c.send)
			}()
			if m := client.Must("POST", 413); !m.Complete {
				t.Error("the answer is not complete")
			}
			if !c.open {
				if end := client.End(wiretest.Wait); end != wiretest.Closed {
					t.Errorf("connection is %s, want it closed behind the answer", end)
				}
				client.Conn().Close()
				<-sent
				return
			}
			<-sent
			client.Send(after)
			client.Must("GET", 200)
		})
	}
}

func TestInterruptWakesTheReaderAndKeepsTheConnection(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		if x.Request.Path == "/after" {
			answer(x, nil)
			return
		}
		done := make(chan error)
		go func() {
			_, err := io.ReadAll(x.Stream)
			done <- err
		}()
		for x.Stream.Received() == 0 {
			time.Sleep(time.Millisecond)
		}
		x.Stream.(wire.Interrupter).Interrupt()
		if err := <-done; !errors.Is(err, wire.ErrInterrupted) {
			t.Errorf("reader got %v", err)
		}
		x.Reply(503)
		write(x)
	}
	c := wiretest.Dial(t, r.addr)
	c.Send(post("Content-Length: 10\n", "hello"))
	c.Must("POST", 503)
	c.Send("world" + after)
	c.Must("GET", 200)
}

func TestAbortWakesEverybody(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		var wg sync.WaitGroup
		var readErr, writeErr error
		wg.Go(func() { _, readErr = io.ReadAll(x.Stream) })
		wg.Go(func() {
			x.Response.Status, x.Response.Length = 200, wire.Unknown
			x.Stream.WriteHead(&x.Response)
			for writeErr == nil {
				_, writeErr = x.Stream.Write(make([]byte, 1<<16))
			}
		})
		wg.Go(func() {
			for x.Stream.Received() == 0 {
				time.Sleep(time.Millisecond)
			}
			x.Stream.Abort()
		})
		wg.Wait()
		var bad *wire.BodyError
		if !errors.As(readErr, &bad) || writeErr == nil {
			t.Errorf("reader got %v, writer %v", readErr, writeErr)
		}
		r.record(x)
	}
	c := wiretest.Dial(t, r.addr)
	c.Send(post("Content-Length: 10\n", "hello"))
	if m, err := c.Response("POST"); err == nil && m.Complete {
		t.Error("the response looks complete")
	}
}

func TestClientsThatGoAway(t *testing.T) {
	for name, c := range map[string]string{
		"C-33 within a body":    post("Content-Length: 10\n", "hello"),
		"C-33 within a chunk":   post(ch, "5\r\nhe"),
		"C-33 between chunks":   post(ch, "5\r\nhello\r\n"),
		"C-33 within a trailer": post(ch, "0\r\nX-A"),
	} {
		for _, reset := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				got := make(chan error, 1)
				r.serve = func(x *filter.Exchange) {
					got <- r.record(x).err
					x.Stream.Abort()
				}
				client := wiretest.Dial(t, r.addr)
				client.Send(c)
				if reset {
					client.Conn().(*net.TCPConn).SetLinger(0)
				}
				client.Conn().Close()
				var bad *wire.BodyError
				if err := <-got; !errors.As(err, &bad) || bad.Status != 499 {
					t.Errorf("reader got %v, want 499", err)
				}
			})
		}
	}
}

// tcpPair returns the two ends of a loopback connection.
func tcpPair(tb testing.TB) (client, server net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		tb.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client, server
}

// tlsPair does a handshake over a pair of connections.
func tlsPair(tb testing.TB, client, server net.Conn) (*tls.Conn, *tls.Conn) {
	c := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
	s := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{certificate(tb)}})
	failed := make(chan error)
	go func() { failed <- s.HandshakeContext(context.Background()) }()
	if err := c.Handshake(); err != nil {
		tb.Fatal(err)
	}
	if err := <-failed; err != nil {
		tb.Fatal(err)
	}
	return c, s
}
