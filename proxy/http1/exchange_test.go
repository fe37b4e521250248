package http1

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"

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

func TestViewHandsOutBodiesThatHaveComeWithTheHead(t *testing.T) {
	const text = "0123456789"
	for name, c := range map[string]struct {
		send string
		rest string // sent once View was asked
		want bool
	}{
		"with the head":          {"Content-Length: 10\r\n\r\n" + text, "", true},
		"with the next request":  {"Content-Length: 10\r\n\r\n" + text + "GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n", "", true},
		"partly":                 {"Content-Length: 10\r\n\r\n" + text[:9], text[9:], false},
		"in chunks":              {"Transfer-Encoding: chunked\r\n\r\na\r\n" + text + "\r\n0\r\n\r\n", "", false},
		"who waits to be called": {"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n" + text, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			asked := make(chan bool, 1)
			r := newRig(t)
			r.serve = func(x *filter.Exchange) {
				p, ok := x.Stream.(wire.BodyViewer).View()
				if x.Request.Method == "POST" {
					asked <- ok
				}
				rest, err := io.ReadAll(x.Stream)
				if x.Request.Method == "POST" && (err != nil || string(p)+string(rest) != text || x.Stream.Received() < 10) {
					t.Errorf("%q and %q, %v", p, rest, err)
				}
				answer(x, nil)
			}
			client := wiretest.Dial(t, r.addr)
			client.Send("POST / HTTP/1.1\r\nHost: a.test\r\n" + c.send)
			if got := <-asked; got != c.want {
				t.Errorf("View says %v, want %v", got, c.want)
			}
			client.Send(c.rest)
			if strings.Contains(c.send, "Expect") {
				client.Must("POST", 100)
			}
			client.Must("POST", 200)
			if strings.Contains(c.send, "/next") {
				client.Must("GET", 200)
			}
		})
	}
}
