package wiretest

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestTheParserIsStrict(t *testing.T) {
	const ok = "GET / HTTP/1.1\r\n"
	for name, c := range map[string]struct {
		raw  string
		body string
		good bool
	}{
		"no body":                {ok + "Host: a\r\n\r\n", "", true},
		"a length":               {ok + "Content-Length: 2\r\n\r\nhi", "hi", true},
		"chunks":                 {ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\nX: y\r\n\r\n", "hi!", true},
		"a body cut short":       {ok + "Content-Length: 3\r\n\r\nhi", "hi", false},
		"chunks cut short":       {ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "hi", false},
		"a chunk without end":    {ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nhiX\r\n0\r\n\r\n", "hi", false},
		"an extension":           {ok + "Transfer-Encoding: chunked\r\n\r\n2;x\r\nhi\r\n0\r\n\r\n", "", false},
		"two lengths":            {ok + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", "", false},
		"length and encoding":    {ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "", false},
		"bare LF":                {ok + "Host: a\n\r\n", "", false},
		"bare CR":                {ok + "Host: a\rb\r\n\r\n", "", false},
		"space before the colon": {ok + "Host : a\r\n\r\n", "", false},
		"a head cut short":       {ok + "Host: a\r\n", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			r := bufio.NewReader(strings.NewReader(c.raw))
			m, err := readHead(r)
			if err == nil {
				err = m.readBody(r, false)
			}
			if (err == nil) != c.good || m.Complete != c.good || m.Body != c.body {
				t.Errorf("body %q, complete %v, %v", m.Body, m.Complete, err)
			}
		})
	}
}

func TestAnUpstreamRecordsAndAnswers(t *testing.T) {
	u := NewUpstream(t, func(q *Request) Answer {
		switch q.Target() {
		case "/reset":
			return Answer{Reset: true}
		case "/early":
			return Answer{Bytes: OK.Bytes, Early: true}
		}
		return OK
	})
	c := Dial(t, u.Addr)
	c.Send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
	if m := c.Must("POST", 200); m.Body != "ok" || !m.Complete {
		t.Errorf("answer is %+v", m)
	}
	c.Send("hiGET /reset HTTP/1.1\r\nHost: a\r\n\r\n")
	if end := c.End(Wait); end != Reset {
		t.Errorf("connection is %s, want it reset", end)
	}
	if !u.WaitFor(func() bool { _, open := u.Conns(); return open == 0 && len(u.Requests()) == 2 }) {
		t.Fatal("the connection or a request is missing")
	}
	q := u.Requests()
	if q[0].Body != "hi" || q[0].Err != nil || q[1].Method() != "GET" || q[1].Get("host") != "a" || q[1].Has("x") {
		t.Errorf("recorded %+v, %+v", q[0], q[1])
	}
}

func TestAClientTellsHowAConnectionEnds(t *testing.T) {
	for want, act := range map[End]func(conn net.Conn){
		Closed:  func(conn net.Conn) { conn.Close() },
		Reset:   func(conn net.Conn) { conn.(*net.TCPConn).SetLinger(0); conn.Close() },
		Open:    func(net.Conn) {},
		Talking: func(conn net.Conn) { io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n") },
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c := Dial(t, l.Addr().String())
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		l.Close()
		act(conn)
		wait := Wait
		if want == Open {
			wait = 10 * time.Millisecond
		}
		if got := c.End(wait); got != want {
			t.Errorf("connection is %s, want %s", got, want)
		}
		if want == Talking {
			if got, end := c.Statuses(10 * time.Millisecond); len(got) != 1 || got[0] != 204 || end != Open {
				t.Errorf("statuses are %v, %s", got, end)
			}
		}
	}
}
