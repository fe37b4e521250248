package e2e

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/wiretest"
)

// password is what opens auth.test.
const password = "Authorization: Basic dXNlcjpwYXNzd29yZA==⏎"

// suite is a running yett with recording upstreams behind it.
type suite struct {
	gate  *gate
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
		text += service(name, &backend{port: portOf(t, u.Addr)})
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
	s.vias = []via{{"http", s.gate.http, nil}, {"https", s.gate.https, &tls.Config{RootCAs: pool, ServerName: "a.test", NextProtos: []string{"http/1.1"}}}}
	s.afterwards(t, s.vias[0])
	s.base = s.measure(t)
	return s
}

// addLane makes a lane for a case and returns its manifests.
func (s *suite) addLane(t *testing.T, c *specialCase, scheme string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	name := fmt.Sprintf("lane-%d", len(s.lanes))
	s.lanes[c.id+c.what+scheme] = &lane{name + ".test", l}
	return service(name, &backend{port: l.Addr().(*net.TCPAddr).Port}) + secured(name, name+".test", map[string]string{"/": name}, c.annotations...)
}

// lane returns the lane of a case.
func (s *suite) lane(c *specialCase, v via) *lane { return s.lanes[c.id+c.what+v.scheme] }

// secured is an Ingress with a certificate that does not send http away.
func secured(name, host string, paths map[string]string, annotations ...string) string {
	var list, notes string
	for path, service := range paths {
		list += fmt.Sprintf("\n      - {path: %s, pathType: Prefix, backend: {service: {name: %s, port: {number: 80}}}}", path, service)
	}
	for _, a := range append(annotations, `ssl-redirect: "false"`) {
		notes += "\n    nginx.ingress.kubernetes.io/" + a
	}
	return fmt.Sprintf(`---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: %s
  annotations:%s
spec:
  ingressClassName: nginx
  tls: [{hosts: [%s], secretName: certificate}]
  rules:
  - host: %s
    http:
      paths:%s
`, name, notes, host, host, list)
}

// newCertificate makes a certificate for *.test and returns a pool that trusts it and the Secret that holds it.
func newCertificate(t *testing.T) (*x509.CertPool, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "wire"}, DNSNames: []string{"*.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	crt := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(crt)
	secret := fmt.Sprintf("---\napiVersion: v1\nkind: Secret\nmetadata: {name: certificate}\ntype: kubernetes.io/tls\ndata: {tls.crt: %s, tls.key: %s}\n",
		base64.StdEncoding.EncodeToString(crt), base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return pool, secret
}

// portOf returns the port of an address.
func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, _ := strconv.Atoi(port)
	return n
}

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

// arrived waits for the end of all requests that have begun and returns them, probes left out.
func (s *suite) arrived(t *testing.T) (whole, broken []*arrival) {
	t.Helper()
	s.mu.Lock()
	begun := slices.Clone(s.begun)
	s.mu.Unlock()
	for _, a := range begun {
		u := s.services[a.service]
		if !u.WaitFor(func() bool { return slices.Contains(u.Requests(), a.Request) }) {
			t.Errorf("%s %s does not end", a.service, a.StartLine)
			continue
		}
		switch {
		case strings.HasPrefix(a.Target(), "/probe-"):
		case a.Err != nil:
			broken = append(broken, a)
		default:
			whole = append(whole, a)
		}
	}
	return whole, broken
}

// ending finds out whether a connection goes on: one that should is asked.
func (s *suite) ending(client *wiretest.Client, open bool) string {
	if !open {
		return map[wiretest.End]string{wiretest.Closed: "closed", wiretest.Reset: "reset", wiretest.Open: "open", wiretest.Talking: "more"}[client.End(wiretest.Wait)]
	}
	request, body := s.probe("a")
	client.Send(request)
	m, err := client.Response("GET")
	switch {
	case isTimeout(err):
		return "stuck"
	case err != nil:
		return "closed"
	case m.Body != body:
		return fmt.Sprintf("open with a foreign answer %q", m.Body)
	}
	return "open"
}

// probe returns a request that nobody else sends, and the body of its answer.
func (s *suite) probe(service string) (request, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.probes++
	return fmt.Sprintf("GET /probe-%d HTTP/1.1\r\nHost: %s.test\r\n\r\n", s.probes, service), fmt.Sprintf("%s GET /probe-%d", service, s.probes)
}

// afterwards checks what holds after every case: the next clients get their own answers, nothing was
// smuggled, and the process lives.
func (s *suite) afterwards(t *testing.T, v via) {
	t.Helper()
	select {
	case <-s.gate.done:
		t.Fatal("yett has ended")
	default:
	}
	client := s.dial(t, s.vias[0])
	defer client.Conn().Close()
	for _, service := range []string{"a", "b", "a"} {
		request, body := s.probe(service)
		client.Send(request)
		if m := client.Must("GET", 200); m.Body != body {
			t.Errorf("the next client got %q, want %q", m.Body, body)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.begun {
		if a.Target() == "/smuggled" && !mayBeSeen.MatchString(t.Name()) {
			t.Errorf("%s was asked for /smuggled", a.service)
		}
	}
}

// mayBeSeen matches the cases in which the request for /smuggled is one.
var mayBeSeen = regexp.MustCompile(`/(C-32|K-08|K-09)_`)

// finish checks that the cases have left nothing behind in the process.
func (s *suite) finish(t *testing.T) {
	t.Helper()
	if log := s.gate.log(); strings.Contains(log, "panic") {
		t.Errorf("something panicked:\n%s", log)
	}
	var now map[string]float64
	for range 100 {
		now = s.measure(t)
		if now["go_goroutines"] <= s.base["go_goroutines"]+8 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("before and after: %v, %v", s.base, now)
	if now["go_goroutines"] > s.base["go_goroutines"]+8 {
		t.Errorf("%v goroutines are left, there were %v", now["go_goroutines"], s.base["go_goroutines"])
	}
}

// measure reads some metrics of the process.
func (s *suite) measure(t *testing.T) map[string]float64 {
	t.Helper()
	status, text, err := ask(browser(t), s.gate.health, "x", "/metrics")
	if err != nil || status != 200 {
		t.Fatalf("metrics: %d %v", status, err)
	}
	values := map[string]float64{}
	for _, l := range strings.Split(text, "\n") {
		name, value, _ := strings.Cut(l, " ")
		if name == "go_goroutines" || name == "process_open_fds" || name == "process_resident_memory_bytes" {
			values[name], _ = strconv.ParseFloat(value, 64)
		}
	}
	return values
}

// isEnd reports whether a connection has ended.
func isEnd(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isTimeout reports whether a wait was too long.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
