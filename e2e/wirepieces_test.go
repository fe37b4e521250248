package e2e

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/wiretest"
)

// hundredAtOnce sends a hundred requests of all kinds with one write; every answer must come, in order, and
// be that of its request.
func hundredAtOnce(t *testing.T, s *suite, v via, _ *lane) {
	kinds := []struct{ send, status, body string }{
		{"GET /m-# HTTP/1.1⏎Host: a.test⏎⏎", "200", "a GET /m-#"},
		{"POST /m-# HTTP/1.1⏎Host: b.test⏎" + length(5) + "⏎hello", "200", "b POST /m-#"},
		{"GET /m-# HTTP/1.1⏎Host: auth.test⏎⏎", "401", ""},
		{"POST /m-# HTTP/1.1⏎Host: a.test⏎" + chunked + "⏎5⏎hello⏎6;x⏎ world⏎0⏎⏎", "200", "a POST /m-#"},
		{"GET /m-# HTTP/1.1⏎Host: auth.test⏎" + password + "⏎", "200", "secret GET /m-#"},
		{"HEAD /m-# HTTP/1.1⏎Host: b.test⏎⏎", "200", ""},
		{"POST /m-# HTTP/1.1⏎Host: small.test⏎" + length(1025) + "⏎«x×1025»", "413", ""},
		{"⏎PUT /m-# HTTP/1.1⏎Host: nobody.test⏎" + length(0) + "⏎", "200", "fallback PUT /m-#"},
		{"OPTIONS * HTTP/1.1⏎Host: a.test⏎⏎", "200", ""},
		{"GET {scheme}://b.test/m-# HTTP/1.1⏎Host: a.test⏎⏎", "200", "b GET /m-#"},
		{"GET /m-# HTTP/1.1⏎Host: b.test⏎" + longHead + "⏎", "200", "b GET /m-#"},
		{"DELETE /m-# HTTP/1.1⏎Host: a.test⏎" + length(20000) + "⏎«y×20000»", "200", "a DELETE /m-#"},
	}
	var all strings.Builder
	for i := range 100 {
		all.WriteString(strings.ReplaceAll(bytesOf(kinds[i%len(kinds)].send, v.scheme), "#", strconv.Itoa(i)))
	}
	client := s.dial(t, v)
	client.Send(all.String())
	for i := range 100 {
		k := kinds[i%len(kinds)]
		m, err := client.Response(strings.Trim(strings.Fields(k.send)[0], "⏎"))
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		if body := strings.ReplaceAll(k.body, "#", strconv.Itoa(i)); fmt.Sprint(m.Status()) != k.status || k.body != "" && m.Body != body {
			t.Errorf("answer %d: %d %q, want %s %q", i, m.Status(), m.Body, k.status, body)
		}
	}
	if end := s.ending(client, true); end != "open" {
		t.Errorf("the connection is %s", end)
	}
}

// piecewise sends every request of the tables that is good once as a whole and once in pieces, the short ones byte by
// byte: upstreams must see the same.
func piecewise(t *testing.T, s *suite, v via, _ *lane) {
	tried := 0
	for _, c := range slices.Concat(tables...) {
		wanted := outcomes(c.want, v.scheme)
		send := bytesOf(c.send, v.scheme)
		if c.answer != "" || !slices.ContainsFunc(wanted, good) {
			continue
		}
		tried++
		var got [2]string
		for way := range got {
			s.begin()
			client := s.dial(t, v)
			for pieces := range slices.Chunk([]byte(send), []int{len(send), 1 + len(send)/300}[way]) {
				client.Send(string(pieces))
				time.Sleep(10 * time.Microsecond)
			}
			r := s.collect(t, v, client, c.send, wanted)
			got[way] = r.outcome.String()
			for _, a := range r.upstream {
				got[way] += fmt.Sprintf("\n%s %s", a.service, text(&a.Message))
			}
			_ = client.Conn().Close()
		}
		if got[0] != got[1] {
			t.Errorf("%s, %s:\nas a whole %s\nin pieces  %s", c.id, c.what, brief(got[0]), brief(got[1]))
		}
	}
	if tried < 50 {
		t.Errorf("only %d requests were tried", tried)
	}
	s.begin()
}

// piecewiseAnswers does the same with what upstreams answer.
func piecewiseAnswers(t *testing.T, s *suite, v via, _ *lane) {
	tried := 0
	for _, c := range answerCases {
		wanted := outcomes(c.want, v.scheme)
		answer := bytesOf(c.answer, "")
		if c.drops || len(wanted) > 1 || !slices.ContainsFunc(wanted, good) {
			continue
		}
		tried++
		var got [2]string
		for way := range got {
			s.begin()
			s.setAnswer(func() wiretest.Answer {
				return wiretest.Answer{Then: func(conn net.Conn, _ *bufio.Reader) {
					for piece := range slices.Chunk([]byte(answer), []int{len(answer), 1}[way]) {
						_, _ = conn.Write(piece)
						time.Sleep(10 * time.Microsecond)
					}
				}}
			})
			client := s.dial(t, v)
			client.Send(bytesOf(c.send, v.scheme))
			r := s.collect(t, v, client, c.send, wanted)
			got[way] = r.outcome.String()
			for _, m := range r.answers {
				got[way] += "\n" + text(m)
			}
			_ = client.Conn().Close()
		}
		if got[0] != got[1] || !strings.HasPrefix(got[0], bytesOf(c.want, "")) {
			t.Errorf("%s, %s:\nas a whole   %s\nbyte by byte %s", c.id, c.what, brief(got[0]), brief(got[1]))
		}
	}
	if tried < 8 {
		t.Errorf("only %d answers were tried", tried)
	}
	s.begin()
}

// good reports whether a request is answered by an upstream.
func good(o outcome) bool { return len(o.statuses) > 0 && slices.Contains(o.statuses, "200") }

// text is a message less what differs each time.
func text(m *wiretest.Message) string {
	fields := slices.DeleteFunc(slices.Clone(m.Fields), func(f wiretest.Field) bool { return f.Name == "X-Request-ID" || f.Name == "Date" })
	return fmt.Sprintf("%s %q %q %q", m.StartLine, fields, m.Body, m.Trailers)
}
