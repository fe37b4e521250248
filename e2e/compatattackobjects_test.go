package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// payloads are values that have broken out of other proxies' configuration.
var payloads = []string{
	";", "}", "{", "#", `"`, "'", "`", `\`, "$()", "${X}", "$", "$x", "{{.}}", "%0a", "a\nX-Evil: 1", "a\r\nX-Evil: 1\r\n\r\n", "\x01", "\t", "\u2028", "\u00e4", "../../x", "true; } location / { return 200; }", "-1", "99999999999999999999", "1e9", "0x10", "NaN", strings.Repeat("a", 20000), strings.Repeat(",", 2000), strings.Repeat("1.2.3.4,", 2000), "(a{1000}){1000}", "(", "[", "*", "http://", "://", "//evil.test", "javascript:alert(1)", "a:b:c", "/a/b/c", "on off",
}

// keysInDocs returns the annotations that docs/annotations.md lists.
func keysInDocs(t *testing.T) (keys []string) {
	t.Helper()
	text, err := os.ReadFile("../docs/annotations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)`").FindAllStringSubmatch(string(text), -1) {
		keys = append(keys, m[1])
	}
	if len(keys) < 100 {
		t.Fatalf("only %d keys in docs/annotations.md", len(keys))
	}
	return keys
}

// TestAttackEveryAnnotationWithEveryPayload writes nonsense into each annotation in turn. Nothing of it may reach a response as a
// field, stop the process, or change what others get.
func TestAttackEveryAnnotationWithEveryPayload(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	s.add(secret("users", "auth: alice:{PLAIN}secret"), ing{name: "good", host: "good.test", paths: []string{"/"}}.String())
	// What else must be set for a key to count.
	company := map[string][]string{
		"canary": {"canary-by-header: X-C"}, "auth": {"auth-type: basic", "auth-secret: users"}, "session": {"affinity: cookie"}, "affinity": {"affinity: cookie"}, "cors": {"enable-cors: true"}, "limit": {"limit-rps: 1000"}, "permanent": {"permanent-redirect: https://x.test/"}, "temporal": {"temporal-redirect: https://x.test/"}, "x": {"rewrite-target: /x"}, "proxy": {"backend-protocol: HTTP"}, "upstream": {"load-balance: round_robin"},
	}
	var hosts []string
	for i, key := range keysInDocs(t) {
		family, _, _ := strings.Cut(key, "-")
		for j, value := range payloads {
			if len(value) > 100 && i%7 != j%7 {
				continue // the long ones not everywhere
			}
			name := fmt.Sprintf("k%d-%d", i, j)
			notes := []string{key + ": " + value}
			for _, n := range company[family] {
				if !strings.HasPrefix(n, key+":") {
					notes = append(notes, n)
				}
			}
			hosts = append(hosts, name+".test")
			s.add(ing{name: name, host: name + ".test", paths: []string{"/"}, notes: notes, age: 1}.String())
		}
	}
	start := time.Now()
	s.start()
	t.Logf("%d Ingresses live after %s", len(hosts), time.Since(start))
	start = time.Now()
	statuses := map[int]int{}
	for _, host := range hosts {
		r := s.get(host, "/", "Origin: https://o.test", basic("alice", "secret"))
		statuses[r.Status]++
		for name, values := range r.Header {
			if strings.HasPrefix(name, "X-Evil") || strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
				t.Errorf("%s: field %q: %q", host, name, values)
			}
		}
		if r.Seen != nil {
			for name := range r.Seen.Header {
				if strings.HasPrefix(name, "X-Evil") {
					t.Errorf("%s: the backend saw %s", host, name)
				}
			}
			if r.Seen.Header.Get("Authorization") != "" && strings.Contains(host, "auth") {
				t.Errorf("%s: the backend saw the password", host)
			}
		}
		switch r.Status {
		case 200, 204, 301, 302, 303, 305, 306, 307, 308, 400, 401, 403, 404, 500, 502, 503, 504:
		default:
			t.Errorf("%s: %s", host, r)
		}
	}
	t.Logf("%v in %s", statuses, time.Since(start))
	s.want("good.test", "/", "a /")
	if strings.Contains(s.gate.Log(), "panic") || strings.Contains(s.gate.Log(), "internal error") {
		for line := range strings.SplitSeq(s.gate.Log(), "\n") {
			if strings.Contains(line, "panic") || strings.Contains(line, "internal error") {
				t.Errorf("%.600s", line)
			}
		}
	}
}

// in puts manifests into a namespace.
func in(namespace string, manifests ...string) string {
	text := strings.Join(manifests, "")
	text = strings.ReplaceAll(text, "metadata: {name:", "metadata: {namespace: "+namespace+", name:")
	return strings.ReplaceAll(text, "metadata:\n name:", "metadata:\n namespace: "+namespace+"\n name:")
}

// TestAttackTenants: what one namespace can do to the hosts of another.
func TestAttackTenants(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	a, b := endpoints("a", s.ports["a"], "127.0.0.1"), endpoints("a", s.ports["b"], "127.0.0.1")
	mineCert, mineKey := certificate(t, "mine", "victim.test")
	evilCert, evilKey := certificate(t, "evil", "victim.test")
	victim := ing{name: "victim", host: "victim.test", paths: []string{"/"}, secret: "cert", age: 9, notes: []string{"ssl-redirect: false"}}
	s.add(in("tenant-a", a, victim.String(), tlsSecret("cert", mineCert, mineKey), secret("users", "auth: alice:{PLAIN}secret"), dataMap("extra", "X-Extra: a"),
		ing{name: "own", host: "own.test", paths: []string{"/"}, age: 9}.String()),
		in("tenant-b", b, tlsSecret("cert", evilCert, evilKey),
			ing{name: "same", host: "victim.test", paths: []string{"/"}, secret: "cert", age: 1, notes: []string{"ssl-redirect: false"}}.String(),
			ing{name: "canary", host: "own.test", paths: []string{"/"}, age: 20, notes: []string{"canary: true", "canary-weight: 100"}}.String(),
			ing{name: "root", host: "own.test", paths: []string{"/b2"}, age: 1, notes: []string{"app-root: /evil", "server-alias: mine.test", "from-to-www-redirect: true"}}.String(),
			ing{name: "alias", host: "evil.test", paths: []string{"/"}, age: 20, notes: []string{"server-alias: victim.test, own.test, *.own.test, ~^victim"}}.String(),
			ing{name: "wild", host: "*.test", paths: []string{"/"}, age: 20}.String(),
			ing{name: "hostless", paths: []string{"/"}, age: 20}.String(),
			ing{name: "rest", fallback: "a", age: 20}.String(),
			ing{name: "mtls", host: "own.test", paths: []string{"/b"}, age: 1, notes: []string{"auth-tls-secret: tenant-b/ca"}}.String(),
			ing{name: "regex", host: "own.test", paths: []string{"/.* ImplementationSpecific"}, age: 1}.String(),
			ing{name: "secret1", host: "s1.test", paths: []string{"/"}, notes: []string{"auth-type: basic", "auth-secret: tenant-a/users"}}.String(),
			ing{name: "secret2", host: "s2.test", paths: []string{"/"}, notes: []string{"auth-type: basic", "auth-secret: ../tenant-a/users"}}.String(),
			ing{name: "secret3", host: "s3.test", paths: []string{"/"}, notes: []string{"auth-type: basic", "auth-secret: tenant-a/users/x"}}.String(),
			ing{name: "map1", host: "s4.test", paths: []string{"/"}, notes: []string{"custom-headers: tenant-a/extra"}}.String(),
			ing{name: "map2", host: "s5.test", paths: []string{"/"}, notes: []string{"auth-url: http://127.0.0.1:1/", "auth-proxy-set-headers: tenant-a/extra"}}.String(),
			ing{name: "ssl", host: "s6.test", paths: []string{"/"}, notes: []string{"proxy-ssl-secret: tenant-a/cert", "backend-protocol: HTTPS"}}.String(),
			ing{name: "spare", host: "s7.test", paths: []string{"/ Prefix none"}, notes: []string{"default-backend: tenant-a/a"}}.String(),
			ing{name: "cert", host: "s8.test", paths: []string{"/"}, secret: "tenant-a/cert"}.String()))
	s.edit("settings", configMap("global-allowed-response-headers: X-Extra"))
	s.start()
	for range 3 {
		s.wantAll([]answerCase{
			{"victim.test", "/", "a /"}, {"victim.test", "/x", "a /x"}, {"own.test", "/", "a /"}, {"own.test", "/xyz", "a /xyz"}, {"own.test", "/b", "403"}, {"x.own.test", "/", "b /"},
			{"mine.test", "/", "b /"}, {"www.own.test", "/", "b /"}, // *.test and *.own.test, not own.test
			{"s1.test", "/", "503"}, {"s2.test", "/", "503"}, {"s3.test", "/", "503"}, {"s4.test", "/", "503"}, {"s5.test", "/", "503"}, {"s6.test", "/", "503"}, {"s7.test", "/", "503"},
		})
	}
	if got := s.shown("victim.test"); got != "mine" {
		t.Errorf("victim.test shows the certificate %q", got)
	}
	if got := s.shown("s8.test"); got != fakeName {
		t.Errorf("s8.test shows the certificate %q", got)
	}
	// The younger Ingress stays the loser when either is edited.
	s.edit("edited", in("tenant-b", ing{name: "same2", host: "victim.test", paths: []string{"/", "/new"}, age: 2, notes: []string{"ssl-redirect: false"}}.String()))
	s.settle("victim.test", "/new", "b /new")
	s.want("victim.test", "/", "a /")
}

// TestAttackNamesThatJoin: namespace and name must not run together.
func TestAttackNamesThatJoin(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	for i, c := range []struct{ namespace, name, service, password string }{{"a-b", "c", "a", "one"}, {"a", "b-c", "b", "two"}} {
		host := fmt.Sprintf("%d.test", i+1)
		s.add(in(c.namespace, endpoints(c.name, s.ports[c.service], "127.0.0.1"), secret(c.name, "auth: alice:{PLAIN}"+c.password),
			ing{name: c.name, host: host, paths: []string{"/ Prefix " + c.name}, notes: []string{"auth-type: basic", "auth-secret: " + c.name, "limit-rpm: 1"}}.String()))
	}
	s.start()
	s.want("1.test", "/", "a /", basic("alice", "one"))
	s.want("2.test", "/", "b /", basic("alice", "two"))
	s.want("1.test", "/", "401", basic("alice", "two"))
	s.want("2.test", "/", "401", basic("alice", "one"))
	s.burst(10, "1.test", "/")
	s.want("2.test", "/", "b /", basic("alice", "two"))
}

// TestAttackEndpoints: addresses that no pod has.
func TestAttackEndpoints(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	port := s.ports["a"]
	addresses := []string{"0.0.0.0", "169.254.169.254", "224.0.0.1", "not-an-address", "127.0.0.1/8", "127.1", "0127.0.0.1", ""}
	for i, address := range addresses {
		name := fmt.Sprintf("e%d", i)
		s.add(strings.Replace(endpoints(name, port, quoted(address)), "addressType: IPv4", "addressType: IPv4", 1), ing{name: name, host: name + ".test", paths: []string{"/ Prefix " + name}}.String())
	}
	for i, p := range []string{"0", "-1", "65536", "99999999"} {
		name := fmt.Sprintf("p%d", i)
		s.add(strings.Replace(endpoints(name, port, "127.0.0.1"), fmt.Sprintf("port: %d}", port), "port: "+p+"}", 1), ing{name: name, host: name + ".test", paths: []string{"/ Prefix " + name}}.String())
	}
	s.add(ing{name: "good", host: "good.test", paths: []string{"/"}}.String())
	s.start()
	s.want("good.test", "/", "a /")
	for i, address := range addresses {
		if r := s.get(fmt.Sprintf("e%d.test", i), "/"); r.Status != 503 {
			t.Errorf("endpoint %q: %s, want 503", address, r)
		}
	}
	for i := range 4 {
		s.want(fmt.Sprintf("p%d.test", i), "/", "503")
	}
}

// TestAttackSecrets puts odd things into Secrets.
func TestAttackSecrets(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	files := map[string]string{
		"blank": "\n\n\n", "colons": "::::\n:x\nx:\n", "nul": "alice\x00:{PLAIN}x\nbob:{PLAIN}se\x00cret\n", "binary": "\x01ELF\x01\x02", "long": "alice:" + strings.Repeat("x", 5000), "bcrypt31": "alice:$2y$31$" + strings.Repeat("a", 53), "rounds": "alice:$6$rounds=999999999$salt$" + strings.Repeat("a", 86), "badsha": "alice:{SHA}short\nbob:{SHA}", "dollar": "alice:$9$unknown$x\ncarol:$$$", "many": strings.Repeat("x:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", 20000), "unix": "alice:*\nbob:!\ncarol:x\n",
	}
	for name, file := range files {
		s.add(secret(name, "auth: "+strings.TrimSpace(file)), ing{name: name, host: name + ".test", paths: []string{"/"}, notes: []string{"auth-type: basic", "auth-secret: " + name}}.String())
	}
	s.start()
	for name := range files {
		for _, user := range []string{"", "alice", "bob", "carol", "x", ":"} {
			for _, password := range []string{"", "x", "*", "!", "secre", "se", "\x00"} {
				start := time.Now()
				if r := s.get(name+".test", "/", basic(user, password)); r.Status != 401 && r.Status != 503 && !(name == "unix" && r.Status == 200 && user == "carol" && password == "x") {
					t.Errorf("%s: %q with %q: %s", name, user, password, r)
				}
				if d := time.Since(start); d > time.Second {
					t.Errorf("%s: %q took %s", name, user, d)
				}
			}
		}
	}
}

// TestAttackManyPaths gives one Ingress ten thousand paths, and a thousand expressions to another.
func TestAttackManyPaths(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	var plain, regex []string
	for i := range 10_000 {
		plain = append(plain, fmt.Sprintf("/p%d/%s Prefix b", i, strings.Repeat("x", i%50)))
	}
	for i := range 1000 {
		regex = append(regex, fmt.Sprintf("/r%d/[a-z]+(/|$)(.*) ImplementationSpecific b", i))
	}
	s.add(ing{name: "plain", host: "plain.test", paths: plain}.String(), ing{name: "regex", host: "regex.test", paths: regex, notes: []string{"rewrite-target: /$2"}}.String(), ing{name: "good", host: "good.test", paths: []string{"/"}}.String())
	start := time.Now()
	s.start()
	t.Logf("live after %s", time.Since(start))
	s.wantAll([]answerCase{{"plain.test", "/p9999/" + strings.Repeat("x", 49), "b /p9999/" + strings.Repeat("x", 49)}, {"plain.test", "/p", "404"}, {"regex.test", "/r999/abc/d/e", "b /d/e"}, {"good.test", "/", "a /"}})
	start = time.Now()
	put(t, filepath.Join(s.dir, "more.yaml"), ing{name: "more", host: "more.test", paths: []string{"/"}}.String())
	s.settle("more.test", "/", "a /")
	if d := time.Since(start); d > 2*time.Second {
		t.Errorf("a change beside them took %s", d)
	}
}

// TestAttackMetricsDoNotGrow: clients cannot make series.
func TestAttackMetricsDoNotGrow(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "x", host: "x.test", paths: []string{"/"}, notes: []string{"server-alias: ~^r"}}.String(), ing{name: "wild", host: "*.wild.test", paths: []string{"/"}}.String())
	s.start()
	for _, method := range []string{"GET", "POST", "BREW"} {
		s.send(method, "x.test", "/", "")
		s.send(method, "w.wild.test", "/", "")
	}
	harness.Until(t, 3*time.Second, "first series", func() bool { n, _ := series(s.metrics(), "nginx_ingress_controller_requests"); return n >= 6 })
	before := len(s.metrics())
	for i := range 300 {
		s.send(fmt.Sprintf("M%d", i), []string{"x.test", fmt.Sprintf("r%d.test", i), fmt.Sprintf("h%d.wild.test", i), fmt.Sprintf("n%d.test", i)}[i%4], fmt.Sprintf("/%d", i), "")
	}
	time.Sleep(100 * time.Millisecond)
	if after := len(s.metrics()); after > before+40 { // other statuses may be new
		t.Errorf("%d series became %d", before, after)
	}
}
