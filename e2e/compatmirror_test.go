package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// shadow is the target of a mirror. It remembers what it was sent.
type shadow struct {
	url string
	// hold, if not nil, keeps answers back until it is closed.
	hold chan struct{}

	mu   sync.Mutex
	seen []string
}

// newShadow starts one.
func newShadow(t *testing.T, hold chan struct{}) *shadow {
	m := &shadow{hold: hold}
	m.url = "http://127.0.0.1:" + strconv.Itoa(serveOn(t, m, []string{"127.0.0.1"}))
	return m
}

// ServeHTTP writes down what matters of a copy, and answers with an error that nobody may notice.
func (m *shadow) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if len(body) > 100 {
		body = fmt.Appendf(nil, "%d bytes", len(body))
	}
	m.mu.Lock()
	m.seen = append(m.seen, fmt.Sprintf("%s %s at %s, for %s%s: %s", r.Method, r.RequestURI, r.Host, r.Header.Get("X-Forwarded-Host"), r.Header.Get("X-Original-Uri"), body))
	m.mu.Unlock()
	if m.hold != nil {
		<-m.hold
	}
	w.WriteHeader(http.StatusInternalServerError)
}

// all returns what was sent so far.
func (m *shadow) all() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.seen)
}

// mirrored returns a counter of copies.
func (s *stage) mirrored(outcome string) int {
	n, _ := series(s.metrics(), "yett_mirrored_requests_total", `outcome="`+outcome+`"`)
	return int(n)
}

// mirrorTo adds an Ingress for NAME.test whose requests are copied.
func (s *stage) mirrorTo(name, target string, notes ...string) {
	s.add(ing{name: name, host: name + ".test", paths: []string{"/"}, notes: append(notes, "mirror-target: "+target)}.String())
}

// TestCompatMirror is nginx-compat section 3.17: the target gets a copy of what the Service gets.
func TestCompatMirror(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	m := newShadow(t, nil)
	s.mirrorTo("uri", m.url+"$request_uri")
	s.mirrorTo("named", m.url+"/in", "mirror-host: shadow.test")
	s.mirrorTo("bodyless", m.url, "mirror-request-body: off")
	s.mirrorTo("rewritten", m.url, "rewrite-target: /other")
	s.mirrorTo("guarded", m.url, "denylist-source-range: 127.0.0.0/8")
	s.start()
	const chunked = "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
	long := strings.Repeat("x", 500_000)
	for _, c := range []struct{ method, host, target, body, field, want string }{
		{"GET", "uri.test", "/x%2Fy?q=1", "", "", "GET /x%2Fy?q=1 at 127.0.0.1, for uri.test/x%2Fy?q=1: "},
		{"POST", "uri.test", "/post", "hello", "", "POST /post at 127.0.0.1, for uri.test/post: hello"},
		{"POST", "uri.test", "/chunked", chunked, "Transfer-Encoding: chunked", "POST /chunked at 127.0.0.1, for uri.test/chunked: hello"},
		{"PUT", "uri.test", "/long", long, "", "PUT /long at 127.0.0.1, for uri.test/long: 500000 bytes"},
		{"GET", "uri.test", "/?status=404", "", "", "GET /?status=404 at 127.0.0.1, for uri.test/?status=404: "},
		{"GET", "named.test", "/x?q=1", "", "", "GET /in?q=1 at shadow.test, for named.test/x?q=1: "},
		{"POST", "bodyless.test", "/x", "hello", "", "POST /x at 127.0.0.1, for bodyless.test/x: "},
		{"GET", "rewritten.test", "/x", "", "", "GET /x at 127.0.0.1, for rewritten.test/x: "},
	} {
		var fields []string
		if c.field != "" {
			fields = []string{c.field}
		}
		before := len(m.all())
		r := s.send(c.method, c.host, c.target, c.body, fields...)
		if r.Seen == nil || c.body != "" && c.body != chunked && r.Seen.Body != c.body {
			t.Errorf("%s %s: %d from the Service", c.method, c.target, r.Status)
		}
		harness.Until(t, 5*time.Second, "copy of "+c.target, func() bool { return len(m.all()) > before })
		if got := m.all()[before]; got != c.want {
			t.Errorf("copy %q, want %q", got, c.want)
		}
	}
	stream := io.MultiReader(strings.NewReader(long), strings.NewReader("!")) // of unknown length
	if res, _ := inClear(t, s.gate).send(t, "POST", "uri.test", "/h2", stream); res.StatusCode != 200 {
		t.Errorf("over HTTP/2: %d", res.StatusCode)
	}
	harness.Until(t, 5*time.Second, "copy over HTTP/2", func() bool {
		return slices.Contains(m.all(), "POST /h2 at 127.0.0.1, for uri.test/h2: 500001 bytes")
	})
	s.want("guarded.test", "/x", "403")
	if r := s.send("POST", "uri.test", "/broken", "5\r\nhello\r\nx", "Transfer-Encoding: chunked"); r.Status != 400 {
		t.Errorf("a broken body: %d", r.Status)
	}
	harness.Until(t, 5*time.Second, "counters", func() bool { return s.mirrored("answered") == 9 && s.mirrored("dropped") == 1 })
	if n := len(m.all()); n != 9 {
		t.Errorf("%d copies: %q", n, m.all())
	}
}

// TestCompatMirrorHarmsNobody puts load on routes whose mirrors do not answer, or are not there: what clients get is the same, and
// as fast.
func TestCompatMirrorHarmsNobody(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	hold := make(chan struct{})
	slow := newShadow(t, hold)
	defer close(hold)
	l, err := net.Listen("tcp", "127.0.0.1:0") // it accepts nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s.mirrorTo("slow", slow.url)
	s.mirrorTo("dead", "http://127.0.0.1:1")
	s.mirrorTo("silent", "http://"+l.Addr().String())
	s.mirrorTo("nowhere", "http://no-such-host.invalid")
	s.add(ing{name: "plain", host: "plain.test", paths: []string{"/"}}.String())
	s.start()
	const clients, each = 4, 60
	hosts := []string{"plain", "slow", "dead", "silent", "nowhere"}
	took := map[string]time.Duration{}
	for _, host := range hosts {
		begin := time.Now()
		var done sync.WaitGroup
		for range clients {
			done.Go(func() {
				for range each {
					if r := s.send("POST", host+".test", "/", "hello"); r.Status != 200 || r.Seen.Body != "hello" {
						t.Errorf("%s: %d", host, r.Status)
					}
				}
			})
		}
		done.Wait()
		took[host] = time.Since(begin) / (clients * each)
	}
	t.Logf("a request with its connection took %v", took)
	for host, d := range took {
		if d > took["plain"]+20*time.Millisecond { // a copy that is waited for would cost seconds
			t.Errorf("%s: %v for a request, without a mirror %v", host, d, took["plain"])
		}
	}
	// Of the slow and the silent one 100 are under way, and the others never were.
	harness.Until(t, 10*time.Second, "the counters", func() bool {
		return s.mirrored("dropped") >= 2*(clients*each-100) && s.mirrored("failed") >= clients*each
	})
	if n := len(slow.all()); n > 100 {
		t.Errorf("%d copies are under way", n)
	}
}
