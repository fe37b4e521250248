package e2e

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/yettproxy/yett/e2e/h2raw"
)

// The files that begin with "conformance" hold the gate to RFC 9113 and RFC 7541, one test a section, as the well-known conformance
// suites do, with a client that is written from those RFCs. Each runs against the binary, over TLS with ALPN and in cleartext with
// prior knowledge.

// clause is something that the gate must do.
type clause struct {
	// section is "§" and the section of RFC 9113, or "HPACK §" and that of RFC 7541; more than one of a section are numbered.
	section, what string
	// raw ones begin before the preface.
	raw bool
	do  func(c *h2raw.Conn)
	// want is how the connection ends: "GOAWAY" with a code, after which it must be closed; or what comes on stream 1, after
	// which the connection must go on; "" if only that counts. "A|B" allows both.
	want string
}

// conformant returns a gate whose Service answers every path of a.test.
func conformant(t *testing.T) *stage {
	s := newStage(t)
	s.serve("m", &multiplex{gone: make(chan struct{}, 100)})
	s.settings = []string{"ssl-redirect: false"}
	s.add(ing{name: "m", host: "a.test", paths: []string{"/ Prefix m"}}.String())
	s.start()
	return s
}

// ways are the two ways to HTTP/2.
func (s *stage) ways() map[string]func(t testing.TB) *h2raw.Conn {
	return map[string]func(t testing.TB) *h2raw.Conn{
		"TLS": func(t testing.TB) *h2raw.Conn {
			return h2raw.Dial(t, s.gate.HTTPS, &tls.Config{InsecureSkipVerify: true})
		},
		"cleartext": func(t testing.TB) *h2raw.Conn { return h2raw.Dial(t, s.gate.HTTP, nil) },
	}
}

// lines is an ordinary request.
func lines(method, path string, more ...string) []string {
	return append([]string{":method: " + method, ":scheme: http", ":authority: a.test", ":path: " + path}, more...)
}

// alive checks that a connection still works.
func alive(c *h2raw.Conn, stream uint32) string {
	if c.Request(stream, true, lines("GET", "/alive")...) != nil {
		return c.End()
	}
	return c.Response(stream).String()
}

// keep checks clauses.
func keep(t *testing.T, clauses []clause) {
	s := conformant(t)
	for name, dial := range s.ways() {
		t.Run(name, func(t *testing.T) {
			for _, r := range clauses {
				t.Run(r.section+" "+r.what, func(t *testing.T) {
					c := dial(t)
					if !r.raw {
						c.Greet()
					}
					r.do(c)
					got := ""
					switch {
					case strings.HasPrefix(r.want, "GOAWAY"), r.want == "closed":
						got = c.End()
					case r.want != "":
						got, _, _ = strings.Cut(c.Response(1).String(), " RST NO_ERROR")
					}
					ok := false
					for want := range strings.SplitSeq(r.want, "|") {
						ok = ok || got == want
					}
					if !ok {
						t.Fatalf("got %s, want %s", got, r.want)
					}
					if strings.HasPrefix(r.want, "GOAWAY") || r.want == "closed" {
						return
					}
					if after := alive(c, 1001); after != "200" {
						t.Errorf("the connection does not go on: %s", after)
					}
				})
			}
		})
	}
}
