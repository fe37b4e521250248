package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// The tests in files that begin with "compat" write manifests as users of ingress-nginx do and look at what
// clients and Services see. Each test has a stage: one gate, with the manifests of a subject.

// stage is a gate in the making, and then a running one.
type stage struct {
	t    *testing.T
	dir  string
	text []string
	gate *harness.Gate
	// settings are the data of the ConfigMap.
	settings []string
	// ports are those of the Services.
	ports map[string]int
}

// newStage returns a stage without anything.
func newStage(t *testing.T) *stage {
	t.Helper()
	return &stage{t: t, dir: t.TempDir(), ports: map[string]int{}}
}

// add adds manifests to those that the gate starts with.
func (s *stage) add(manifests ...string) { s.text = append(s.text, manifests...) }

// start runs the gate.
func (s *stage) start(flags ...string) {
	s.t.Helper()
	if s.settings != nil {
		s.text = append(s.text, configMap(s.settings...))
	}
	put(s.t, filepath.Join(s.dir, "stage.yaml"), strings.Join(s.text, ""))
	s.t.Cleanup(func() { // after the end of the process
		if s.gate == nil {
			return
		}
		for _, word := range []string{"DATA RACE", "panic:", "goroutine ", "internal error"} {
			if _, after, found := strings.Cut(s.gate.Log(), word); found {
				s.t.Errorf("the log has %s%.3000s", word, after)
			}
		}
	})
	s.gate = serve(s.t, s.dir, flags...)
}

// edit writes a further manifest file, or another text into it.
func (s *stage) edit(name string, manifests ...string) {
	s.t.Helper()
	put(s.t, filepath.Join(s.dir, name+".yaml"), strings.Join(manifests, ""))
}

// configMap is the ConfigMap of ingress-nginx's chart, from "key: value" lines.
func configMap(lines ...string) string {
	return "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ingress-nginx-controller}\ndata:\n" + pairs("", lines)
}

// pairs returns "key: value" lines as YAML, values quoted, keys with a prefix.
func pairs(prefix string, lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		key, value, _ := strings.Cut(line, ": ")
		fmt.Fprintf(&b, "  %s%s: %s\n", prefix, key, quoted(value))
	}
	return b.String()
}

// quoted returns text as a string of YAML.
func quoted(text string) string {
	q, _ := json.Marshal(text)
	return string(q)
}

// secret is a Secret from "key: value" lines.
func secret(name string, lines ...string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s}\nstringData:\n%s", name, pairs("", lines))
}

// dataMap is a ConfigMap from "key: value" lines.
func dataMap(name string, lines ...string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata:\n%s", name, pairs("", lines))
}

// ing is an Ingress.
type ing struct {
	name, host string
	// paths are "path type service", of which type and service may be left out: Prefix, and "a".
	paths []string
	// notes are "key: value" annotations without their prefix.
	notes []string
	// secret is that of a TLS section that names the host; "-" for a section without one.
	secret string
	// age is how many hours it has existed.
	age int
	// fallback is the Service of the defaultBackend.
	fallback string
	// class is the ingressClassName, nginx by default; "-" for none.
	class string
	// more are further lines of the metadata.
	more string
}

// String returns the manifest.
func (i ing) String() string {
	var b strings.Builder
	created := time.Now().Add(-time.Duration(i.age) * time.Hour).UTC().Format(time.RFC3339)
	fmt.Fprintf(&b, "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n name: %q\n creationTimestamp: %s\n%s", i.name, created, i.more)
	if len(i.notes) > 0 {
		b.WriteString(" annotations:\n" + pairs("nginx.ingress.kubernetes.io/", i.notes))
	}
	b.WriteString("spec:\n")
	switch i.class {
	case "":
		b.WriteString(" ingressClassName: nginx\n")
	case "-":
	default:
		b.WriteString(" ingressClassName: " + i.class + "\n")
	}
	if i.fallback != "" {
		fmt.Fprintf(&b, " defaultBackend: {service: {name: %q, port: {number: 80}}}\n", i.fallback)
	}
	switch i.secret {
	case "":
	case "-":
		fmt.Fprintf(&b, " tls: [{hosts: [%q]}]\n", i.host)
	default:
		fmt.Fprintf(&b, " tls: [{hosts: [%q], secretName: %s}]\n", i.host, i.secret)
	}
	if len(i.paths) == 0 {
		if i.fallback == "" {
			b.WriteString(" rules: []\n")
		}
		return b.String()
	}
	b.WriteString(" rules:\n - http:\n    paths:\n")
	for _, p := range i.paths {
		words := []string{"/", "Prefix", "a"}
		fields := strings.Fields(p)
		if n := len(fields); n > 3 { // a path with spaces
			fields = []string{strings.Join(fields[:n-2], " "), fields[n-2], fields[n-1]}
		}
		copy(words, fields)
		fmt.Fprintf(&b, "    - {path: %s, pathType: %s, backend: {service: {name: %q, port: {number: 80}}}}\n", quoted(words[0]), words[1], words[2])
	}
	if i.host != "" {
		fmt.Fprintf(&b, "   host: %q\n", i.host)
	}
	return b.String()
}

// seen is what a backend saw of a request, which it tells the client.
type seen struct {
	Service, Address, Method, URI, Host, Body string
	Header                                    http.Header
}

// serve adds a Service with a handler behind it, on as many endpoints as there are addresses; one by default.
func (s *stage) serve(name string, handler http.Handler, addresses ...string) {
	s.t.Helper()
	if len(addresses) == 0 {
		addresses = []string{"127.0.0.1"}
	}
	s.ports[name] = serveOn(s.t, handler, addresses)
	s.add(endpoints(name, s.ports[name], addresses...))
}

// also adds Services with the endpoint of another one.
func (s *stage) also(of string, names ...string) {
	for _, name := range names {
		s.add(endpoints(name, s.ports[of], "127.0.0.1"))
	}
}

// serveOn serves a handler on one port of some addresses.
func serveOn(t *testing.T, handler http.Handler, addresses []string) int {
	t.Helper()
	for range 20 {
		var listeners []net.Listener
		port := "0"
		for _, a := range addresses {
			l, err := net.Listen("tcp", net.JoinHostPort(a, port))
			if err != nil {
				break
			}
			listeners = append(listeners, l)
			_, port, _ = net.SplitHostPort(l.Addr().String())
		}
		if len(listeners) < len(addresses) {
			for _, l := range listeners {
				l.Close()
			}
			continue
		}
		server := &http.Server{Handler: handler}
		for _, l := range listeners {
			go func() { _ = server.Serve(l) }()
		}
		t.Cleanup(func() { server.Close() })
		n, _ := strconv.Atoi(port)
		return n
	}
	t.Fatalf("no port is free on all of %v", addresses)
	return 0
}

// endpoints is a Service with endpoints on one port.
func endpoints(name string, port int, addresses ...string) string {
	list := make([]string, len(addresses))
	for i, a := range addresses {
		list[i] = "{addresses: [" + a + "]}"
	}
	return fmt.Sprintf(`---
apiVersion: v1
kind: Service
metadata: {name: "%[1]s"}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: "%[1]s-1", labels: {kubernetes.io/service-name: "%[1]s"}}
addressType: IPv4
ports: [{name: http, port: %[2]d}]
endpoints: [%[3]s]
`, name, port, strings.Join(list, ", "))
}

// echo adds Services that tell what they saw.
func (s *stage) echo(names ...string) {
	s.t.Helper()
	for _, name := range names {
		s.serve(name, echo(name))
	}
}

// echo answers with what it saw. The query may ask for more: status=503, wait=10ms, set=Name:value.
func echo(service string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		q := r.URL.Query()
		if d, err := time.ParseDuration(q.Get("wait")); err == nil {
			time.Sleep(d)
		}
		for _, field := range q["set"] {
			name, value, _ := strings.Cut(field, ":")
			w.Header().Add(name, value)
		}
		w.Header().Set("X-Echo", "1")
		status, err := strconv.Atoi(q.Get("status"))
		if err != nil {
			status = 200
		}
		w.WriteHeader(status)
		if r.Method == http.MethodHead {
			return
		}
		_ = json.NewEncoder(w).Encode(seen{
			service, r.Context().Value(http.LocalAddrContextKey).(net.Addr).String(), r.Method, r.RequestURI, r.Host, string(body), r.Header,
		})
	})
}

// reply is what a client got.
type reply struct {
	Status int
	Header http.Header
	Body   string
	// Seen is what the backend saw, if one answered.
	Seen *seen
}

// String returns the essence: status, and the Service or the Location.
func (r *reply) String() string {
	switch {
	case r.Seen != nil && r.Status == 200:
		return r.Seen.Service + " " + r.Seen.URI
	case r.Header.Get("Location") != "":
		return strconv.Itoa(r.Status) + " " + r.Header.Get("Location")
	}
	return strconv.Itoa(r.Status)
}

// cookie returns the first cookie of a name that the reply sets, attributes included, or "".
func (r *reply) cookie(name string) string {
	for _, v := range r.Header.Values("Set-Cookie") {
		if strings.HasPrefix(v, name+"=") {
			return v
		}
	}
	return ""
}

// get sends a GET over http.
func (s *stage) get(host, target string, fields ...string) *reply {
	s.t.Helper()
	return s.send("GET", host, target, "", fields...)
}

// send sends a request over http, on a connection of its own, exactly as it is written. A host "" leaves the
// field out.
func (s *stage) send(method, host, target, body string, fields ...string) *reply {
	s.t.Helper()
	c, err := net.Dial("tcp", s.gate.HTTP)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	return s.exchange(c, method, host, target, body, fields...)
}

// exchange sends a request on a connection and reads the reply.
func (s *stage) exchange(c net.Conn, method, host, target, body string, fields ...string) *reply {
	s.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, target)
	if host != "" {
		fmt.Fprintf(&b, "Host: %s\r\n", host)
	}
	for _, f := range fields {
		b.WriteString(f + "\r\n")
	}
	if body != "" && !slices.ContainsFunc(fields, func(f string) bool { return strings.HasPrefix(f, "Transfer-Encoding:") }) {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, b.String()); err != nil {
		s.t.Logf("%s %s: write: %v", method, target, err)
	}
	r, err := readReply(bufio.NewReader(c), method)
	if err != nil {
		s.t.Fatalf("%s %s %s: %v", method, host, target, err)
	}
	return r
}

// readReply reads one response.
func readReply(b *bufio.Reader, method string) (*reply, error) {
	resp, err := http.ReadResponse(b, &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	r := &reply{Status: resp.StatusCode, Header: resp.Header, Body: string(body)}
	if resp.Header.Get("X-Echo") != "" && len(body) > 0 {
		r.Seen = new(seen)
		if err := json.Unmarshal(body, r.Seen); err != nil {
			return nil, fmt.Errorf("read echo %q: %w", body, err)
		}
	}
	return r, err
}

// want fails the test unless a GET is answered as wanted; see reply.String.
func (s *stage) want(host, target, want string, fields ...string) *reply {
	s.t.Helper()
	r := s.get(host, target, fields...)
	if got := r.String(); got != want {
		s.t.Errorf("GET %s %s %q: %q, want %q", host, target, fields, got, want)
	}
	return r
}

// settle waits until a GET is answered as wanted.
func (s *stage) settle(host, target, want string, fields ...string) {
	s.t.Helper()
	last := ""
	start := time.Now()
	for time.Since(start) < 5*time.Second {
		if last = s.get(host, target, fields...).String(); last == want {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.t.Fatalf("GET %s %s %q: still %q after 5 s, want %q", host, target, fields, last, want)
}

// logged waits until the log of the process has a line with all of some words.
func (s *stage) logged(words ...string) {
	s.t.Helper()
	deadline := time.Now().Add(3 * time.Second)
	for {
		for line := range strings.SplitSeq(s.gate.Log(), "\n") {
			if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) }) {
				return
			}
		}
		if time.Now().After(deadline) {
			s.t.Errorf("no line of the log has all of %q", words)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// hostPort splits an address.
func hostPort(t *testing.T, address string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}
