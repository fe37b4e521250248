package e2e

import (
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// burst sends n requests at once on one connection after the other, and counts the answers by status.
func (s *stage) burst(n int, host, target string, fields ...string) map[int]int {
	s.t.Helper()
	got := map[int]int{}
	for range n {
		got[s.get(host, target, fields...).Status]++
	}
	return got
}

// TestCompatRateLimits is nginx-compat section 3.9: rates and bursts, by client address.
func TestCompatRateLimits(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	limited := func(name string, notes ...string) {
		s.add(ing{name: name, host: name + ".test", paths: []string{"/", "/other"}, notes: notes}.String())
	}
	limited("rpm", "limit-rpm: 2")
	limited("rps", "limit-rps: 1", "limit-burst-multiplier: 3")
	limited("both", "limit-rps: 100", "limit-rpm: 1", "limit-burst-multiplier: 2")
	limited("shared", "limit-rpm: 1")
	limited("exempt", "limit-rpm: 1", "limit-allowlist: 127.0.0.0/8")
	limited("exempt2", "limit-rpm: 1", "limit-whitelist: 10.1.0.0/16")
	limited("zero", "limit-rpm: 0", "limit-connections: 0")
	limited("bad", "limit-rps: ten")
	limited("negative", "limit-rps: -1")
	limited("huge", "limit-rps: 99999999999")
	limited("forwarded", "limit-rpm: 1")
	limited("multiplier", "limit-rpm: 2", "limit-burst-multiplier: x")
	s.edit("settings", configMap("limit-req-status-code: 429", "limit-conn-status-code: 420"))
	s.start()
	// A rate of n with a burst of 5n lets 5n+1 requests through at once.
	for _, c := range []struct {
		host   string
		passed int
	}{{"rpm", 11}, {"both", 3}, {"exempt2", 6}, {"multiplier", 11}} {
		if got := s.burst(c.passed+4, c.host+".test", "/"); got[200] != c.passed || got[429] != 4 {
			t.Errorf("%s: %v, want %d times 200 and 4 times 429", c.host, got, c.passed)
		}
	}
	before := time.Now()
	got := s.burst(8, "rps.test", "/")
	if most := 4 + int(time.Since(before).Seconds()) + 1; got[200] < 4 || got[200] > most || got[429] != 8-got[200] {
		t.Errorf("rps: %v, want 4 to %d times 200", got, most)
	}
	time.Sleep(1100 * time.Millisecond) // what one request a second means
	s.want("rps.test", "/", "a /")
	if got := s.burst(4, "shared.test", "/"); got[200] != 4 {
		t.Errorf("shared: %v", got)
	}
	if got := s.burst(4, "shared.test", "/other"); got[200] != 2 || got[429] != 2 {
		t.Errorf("the paths of an Ingress share a limit: %v, want 2 times 200", got)
	}
	for _, host := range []string{"exempt.test", "zero.test"} {
		if got := s.burst(20, host, "/"); got[200] != 20 {
			t.Errorf("%s: %v", host, got)
		}
	}
	for _, host := range []string{"bad.test", "negative.test", "huge.test"} {
		s.want(host, "/", "503")
	}
	// Nothing that a client writes makes it another client.
	passed := 0
	for i := range 12 {
		r := s.get("forwarded.test", fmt.Sprintf("/?%d", i), fmt.Sprintf("X-Forwarded-For: 9.9.9.%d", i), fmt.Sprintf("X-Real-IP: 9.9.9.%d", i), fmt.Sprintf("Forwarded: for=9.9.9.%d", i),
			fmt.Sprintf("CF-Connecting-IP: 9.9.9.%d", i), fmt.Sprintf("True-Client-IP: 9.9.9.%d", i), fmt.Sprintf("User-Agent: %d", i), fmt.Sprintf("Cookie: id=%d", i))
		if r.Status == 200 {
			passed++
		}
	}
	if passed != 6 {
		t.Errorf("with made-up addresses %d requests pass, want 6", passed)
	}
	// Trusted, they do.
	s.edit("settings", configMap("limit-req-status-code: 429", "use-forwarded-headers: true", "proxy-real-ip-cidr: 127.0.0.1/32"))
	s.settle("forwarded.test", "/", "a /", "X-Forwarded-For: 9.9.9.1")
	if got := s.burst(8, "rpm.test", "/", "X-Forwarded-For: 8.8.8.8, 9.9.9.9"); got[200] != 8 {
		t.Errorf("another client: %v", got)
	}
	if got := s.burst(8, "rpm.test", "/", "X-Forwarded-For: 7.7.7.7, 9.9.9.9"); got[200] != 3 {
		t.Errorf("the client is the last address that is not a trusted proxy: %v, want 3 times 200", got)
	}
	// A client with a whole IPv6 network is one client or many as in nginx: by address.
	if got := s.burst(3, "exempt2.test", "/", "X-Forwarded-For: 10.1.2.3"); got[200] != 3 {
		t.Errorf("an exempt client behind a proxy: %v", got)
	}
}

// TestCompatConnectionLimit counts requests that run at the same time.
func TestCompatConnectionLimit(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "conn", host: "conn.test", paths: []string{"/"}, notes: []string{"limit-connections: 2"}}.String())
	s.edit("settings", configMap("limit-conn-status-code: 429"))
	s.start()
	for range 3 { // what has ended does not count
		got := map[int]int{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				c, err := net.Dial("tcp", s.gate.HTTP)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				status := s.exchange(c, "GET", "conn.test", "/?wait=300ms", "").Status
				mu.Lock()
				got[status]++
				mu.Unlock()
			})
		}
		all.Wait()
		if got[200] != 2 || got[429] != 4 {
			t.Errorf("%v, want 2 times 200 and 4 times 429", got)
		}
		time.Sleep(100 * time.Millisecond) // places are given back when the response is out, a moment after the client has it
	}
	// Refused and broken requests give their place back.
	for range 5 {
		c, err := net.Dial("tcp", s.gate.HTTP)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write([]byte("GET /?wait=50ms HTTP/1.1\r\nHost: conn.test\r\n\r\n"))
		c.Close()
	}
	s.settle("conn.test", "/", "a /")
	harness.Until(t, 5*time.Second, "all places free", func() bool {
		a, _ := net.Dial("tcp", s.gate.HTTP)
		defer a.Close()
		_, _ = a.Write([]byte("GET /?wait=30ms HTTP/1.1\r\nHost: conn.test\r\n\r\n"))
		return s.get("conn.test", "/").Status == 200
	})
}

// TestCompatAccessLists is nginx-compat section 3.10.
func TestCompatAccessLists(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	listed := func(name string, notes ...string) {
		s.add(ing{name: name, host: name + ".test", paths: []string{"/"}, notes: notes}.String())
	}
	listed("allowed", "allowlist-source-range: 10.0.0.0/8, 127.0.0.1")
	listed("alias", "whitelist-source-range: 10.0.0.0/8")
	listed("denied", "denylist-source-range: 127.0.0.0/8")
	listed("denyfirst", "denylist-source-range: 127.0.0.1/32", "allowlist-source-range: 0.0.0.0/0")
	listed("six", "allowlist-source-range: ::/0")
	listed("mapped", "allowlist-source-range: ::ffff:127.0.0.1/128")
	listed("bad", "allowlist-source-range: 10.0.0.0/8, elsewhere")
	listed("badbits", "allowlist-source-range: 10.0.0.0/64")
	listed("empty", "allowlist-source-range: ,")
	listed("host", "allowlist-source-range: 127.0.0.1/8")
	listed("none")
	s.start()
	s.wantAll([]answerCase{
		{"allowed.test", "/", "a /"}, {"alias.test", "/", "403"}, {"denied.test", "/", "403"}, {"denyfirst.test", "/", "403"}, {"six.test", "/", "403"}, {"bad.test", "/", "503"}, {"badbits.test", "/", "503"}, {"empty.test", "/", "503"}, {"host.test", "/", "a /"}, {"none.test", "/", "a /"},
	})
	spoof := []string{"X-Forwarded-For: 10.0.0.1", "X-Real-IP: 10.0.0.1", "Forwarded: for=10.0.0.1", "X-Client-IP: 10.0.0.1", "Client-IP: 10.0.0.1"}
	s.want("alias.test", "/", "403", spoof...)
	s.edit("settings", configMap("whitelist-source-range: 10.0.0.0/8", "denylist-source-range: 10.9.0.0/16"))
	s.settle("none.test", "/", "403")
	s.want("allowed.test", "/", "a /") // the annotation replaces the ConfigMap's list
	s.edit("settings", configMap("use-forwarded-headers: true", "block-cidrs: 10.66.0.0/16, 6.6.6.6", "block-user-agents: BadBot, ~*curl/7, ~^Evil", "block-referers: ~*spam\\.test"))
	s.settle("alias.test", "/", "a /", "X-Forwarded-For: 10.0.0.1")
	s.want("alias.test", "/", "403", "X-Forwarded-For: 11.0.0.1")
	s.want("alias.test", "/", "a /", "X-Forwarded-For: 10.0.0.1, 127.0.0.1")
	for field, want := range map[string]string{
		"X-Forwarded-For: 10.66.1.1": "403", "X-Forwarded-For: 6.6.6.6": "403", "X-Forwarded-For: 6.6.6.7": "a /", "X-Forwarded-For: ::ffff:6.6.6.6": "403",
		"User-Agent: BadBot": "403", "User-Agent: badbot": "403", "User-Agent: BadBot/1": "a /", "User-Agent: CURL/7.1": "403", "User-Agent: Evil 1": "403", "User-Agent: not Evil": "a /", "Referer: http://www.SPAM.test/x": "403", "Referer: http://ham.test/": "a /",
	} {
		s.want("none.test", "/", want, field)
	}
	s.want("unknown.test", "/", "403", "User-Agent: BadBot")
}

// TestCompatSatisfy combines lists, passwords and a service.
func TestCompatSatisfy(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	auth := newAuthServer(t)
	s.add(secret("users", "auth: alice:{PLAIN}secret"))
	basicNotes := []string{"auth-type: basic", "auth-secret: users", "auth-realm: gate"}
	here, elsewhere := "allowlist-source-range: 127.0.0.0/8", "allowlist-source-range: 10.0.0.0/8"
	n := 0
	both := func(want, wantWithPassword string, notes ...string) func() {
		n++
		host := "h" + strconv.Itoa(n) + ".test"
		s.add(ing{name: "h" + strconv.Itoa(n), host: host, paths: []string{"/"}, notes: notes}.String())
		return func() {
			t.Helper()
			s.want(host, "/", want)
			s.want(host, "/", wantWithPassword, basic("alice", "secret"))
			if wantWithPassword == "a /" {
				if r := s.get(host, "/", basic("alice", "secret")); r.Seen != nil && r.Seen.Header.Get("Authorization") != "" {
					t.Errorf("%v: the backend saw the password", notes)
				}
			}
		}
	}
	with := func(more ...string) []string { return append(append([]string{}, basicNotes...), more...) }
	checks := []func(){
		both("401", "a /", with(here)...), both("403", "403", with(elsewhere)...), both("401", "a /", with(here, "satisfy: all")...),
		both("a /", "a /", with(here, "satisfy: any")...), both("401", "a /", with(elsewhere, "satisfy: any")...),
		both("401", "a /", with("satisfy: any")...), both("401", "a /", with(elsewhere, "satisfy: Any")...), both("403", "403", with(elsewhere, "satisfy: some")...),
		both("401", "a /", with("auth-url: "+auth.url+"/200")...), both("403", "403", with("auth-url: "+auth.url+"/403", here, "denylist-source-range: 127.0.0.1")...),
		both("a /", "a /", with("auth-url: "+auth.url+"/200", elsewhere, "satisfy: any")...), both("401", "a /", with("auth-url: "+auth.url+"/401", elsewhere, "satisfy: any")...), both("401", "401", with("auth-url: "+auth.url+"/401")...),
		both("403", "403", with("denylist-source-range: 127.0.0.1", "satisfy: any")...), both("302 https://login.test/?rd=http://h15.test%2F", "a /", with("auth-url: "+auth.url+"/401", "auth-signin: https://login.test/", elsewhere, "satisfy: any")...),
		both("500", "a /", with("auth-url: "+auth.url+"/500", elsewhere, "satisfy: any")...),
	}
	s.start()
	for _, check := range checks {
		check()
	}
}
