package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"

	"github.com/yettproxy/yett/proxy/wiretest"
)

// suite is a running yett with recording upstreams behind it.
type suite struct {
	gate  *harness.Gate
	vias  []via
	lanes map[string]*lane
	base  map[string]float64

	services map[string]*wiretest.Upstream

	mu      sync.Mutex
	begun   []*arrival
	started chan string // services that have seen a head
	answer  func() wiretest.Answer
	probes  int
}

// via is a way to the gate.
type via struct {
	scheme, addr string
	tls          *tls.Config
}

// arrival is a request that came to a service.
type arrival struct {
	service string
	*wiretest.Request
}

// String returns service, method, target and a short body.
func (a *arrival) String() string {
	words := []string{a.service, a.Method(), a.Target()}
	if a.Body != "" && len(a.Body) <= 32 {
		words = append(words, a.Body)
	}
	return strings.Join(words, " ")
}

// lane is an upstream of one case alone, under a host of its own.
type lane struct {
	host string
	net.Listener
}

// newSuite starts everything.
func newSuite(t *testing.T) *suite {
	t.Helper()
	s := &suite{services: map[string]*wiretest.Upstream{}, lanes: map[string]*lane{}}
	pool, secret := newCertificate(t)
	text := secret + `---
apiVersion: v1
kind: Secret
metadata: {name: passwords}
stringData: {auth: "user:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: fallback}
spec: {ingressClassName: nginx, defaultBackend: {service: {name: fallback, port: {number: 80}}}}
`
	for _, name := range []string{"a", "b", "fallback", "secret", "small"} {
		u := wiretest.NewUpstream(t, func(q *wiretest.Request) wiretest.Answer { return s.receive(name, q) })
		s.services[name] = u
		text += service(name, portOf(t, u.Addr))
	}
	text += secured("a", "a.test", map[string]string{"/": "a"}) + secured("b", "b.test", map[string]string{"/": "b"})
	text += secured("paths", "paths.test", map[string]string{"/": "a", "/admin": "b"})
	text += secured("secret", "auth.test", map[string]string{"/": "secret"}, "auth-type: basic", "auth-secret: passwords", "auth-realm: gate")
	text += secured("small", "small.test", map[string]string{"/": "small"}, "proxy-body-size: 1k")
	for _, c := range specialCases {
		for _, scheme := range []string{"http", "https"} {
			if c.own {
				text += s.addLane(t, c, scheme)
			}
		}
	}
	dir := t.TempDir()
	put(t, filepath.Join(dir, "wire.yaml"), text)
	s.gate = serve(t, dir)
	s.vias = []via{{"http", s.gate.HTTP, nil}, {"https", s.gate.HTTPS, &tls.Config{RootCAs: pool, ServerName: "a.test", NextProtos: []string{"http/1.1"}}}}
	s.afterwards(t, s.vias[0])
	s.base = s.measure(t)
	return s
}

// lane returns the lane of a case.
func (s *suite) lane(c *specialCase, v via) *lane { return s.lanes[c.id+c.what+v.scheme] }

// dial opens a connection to the gate.
func (s *suite) dial(t testing.TB, v via) *wiretest.Client {
	t.Helper()
	return wiretest.NewClient(t, s.connect(t, v))
}

// connect is dial for tests that read by themselves.
func (s *suite) connect(t testing.TB, v via) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", v.addr, wiretest.Wait)
	if err != nil {
		t.Fatal(err)
	}
	if v.tls != nil {
		secure := tls.Client(conn, v.tls)
		_ = secure.SetDeadline(time.Now().Add(wiretest.Wait))
		if err := secure.Handshake(); err != nil {
			t.Fatal(err)
		}
		_ = secure.SetDeadline(time.Time{})
		return secure
	}
	return conn
}

// expand replaces what differs between the ways to the gate.
func (s *suite) expand(v via) *strings.Replacer {
	port := "443"
	if v.scheme == "http" {
		_, port, _ = net.SplitHostPort(v.addr)
	}
	return strings.NewReplacer("{scheme}", v.scheme, "{port}", port)
}

// receive answers a request to a service: /r as the case says, everything else by telling what was asked.
func (s *suite) receive(service string, q *wiretest.Request) wiretest.Answer {
	a := &arrival{service, q}
	s.mu.Lock()
	s.begun = append(s.begun, a)
	started, answer := s.started, s.answer
	s.mu.Unlock()
	select {
	case started <- service:
	default:
	}
	if q.Target() == "/r" && answer != nil {
		return answer()
	}
	body := a.String()
	if q.Method() == "HEAD" {
		body = ""
	}
	return wiretest.Answer{Bytes: fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)}
}

// begin forgets what has been.
func (s *suite) begin() {
	s.mu.Lock()
	s.begun, s.answer, s.started = nil, nil, make(chan string, 100)
	s.mu.Unlock()
}

// script makes the upstreams answer /r as a case says. The function it returns, if any, checks that the proxy
// has closed the connection.
func (s *suite) script(c *wireCase) (dropped func(*testing.T)) {
	if c.answer == "" {
		return nil
	}
	answer := wiretest.Answer{Bytes: bytesOf(c.answer, ""), Close: c.closes}
	ends := make(chan string, 100)
	if c.drops {
		answer.Then = func(conn net.Conn, r *bufio.Reader) {
			_ = conn.SetReadDeadline(time.Now().Add(wiretest.Wait))
			if b, err := r.ReadByte(); err == nil {
				ends <- fmt.Sprintf("was used again: %q", b)
			} else if isTimeout(err) {
				ends <- "was kept"
			} else {
				ends <- ""
			}
		}
		dropped = func(t *testing.T) {
			select {
			case end := <-ends:
				if end != "" {
					t.Errorf("the connection to the upstream %s", end)
				}
			case <-time.After(2 * wiretest.Wait):
				t.Error("the upstream was not asked")
			}
		}
	}
	s.setAnswer(func() wiretest.Answer { return answer })
	return dropped
}

// setAnswer sets the answer to /r.
func (s *suite) setAnswer(answer func() wiretest.Answer) {
	s.mu.Lock()
	s.answer = answer
	s.mu.Unlock()
}

// waitForHead waits until a service has seen the head of a request.
func (s *suite) waitForHead(service string) bool {
	timeout := time.After(wiretest.Wait)
	for {
		select {
		case got := <-s.started:
			if got == service {
				return true
			}
		case <-timeout:
			return false
		}
	}
}
