package jwt

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
)

// publisher is a server of keys on loopback that answers as a test wants, and counts how often it was asked.
type publisher struct {
	*httptest.Server
	answer atomic.Pointer[http.HandlerFunc]
	asked  atomic.Int32
}

// publish starts one.
func publish(t testing.TB, answer http.HandlerFunc) *publisher {
	p := &publisher{}
	p.answer.Store(&answer)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		(*p.answer.Load())(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

// text answers with a text.
func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) }
}

// TestKeysThatNeverCome is S-E14: whatever the issuer's server does, nobody gets in, nobody waits longer than five seconds, and garbage does not
// wait at all.
func TestKeysThatNeverCome(t *testing.T) {
	var sent atomic.Int64
	closed := publish(t, text(usual()))
	closed.Close()
	right := publish(t, text(usual()))
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, usual())
	}
	for name, url := range map[string]string{
		"500":                publish(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, usual(), 500) }).URL,
		"404 with keys":      publish(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404); _, _ = io.WriteString(w, usual()) }).URL,
		"204":                publish(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }).URL,
		"HTML":               publish(t, text("<html>log in</html>")).URL,
		"nothing":            publish(t, text("")).URL,
		"10000 keys":         publish(t, text(keySetOf(strings.Split(strings.Repeat(`{"kty":"oct"} `, 9_999)+jwk(signers()["ES256"], ""), " ")...))).URL,
		"100 MiB":            publish(t, endless(&sent)).URL,
		"a redirect":         publish(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, right.URL, http.StatusFound) }).URL,
		"a body that is cut": publish(t, cut).URL,
		"refused":            closed.URL,
		"not HTTP":           rawServer(t, "hello\r\n\r\n"),
		"TLS that is none":   strings.Replace(right.URL, "http:", "https:", 1),
		"no such host":       "https://nonexistent.invalid/",
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, newEnv(t), annotations{uriKey: url})
			start := time.Now()
			for range 2 {
				if got := g.ask(bearer(signed("ES256", good("")))); got != 503 {
					t.Errorf("%d, want 503", got)
				}
				if got := g.ask(bearer("x")); got != 401 {
					t.Errorf("garbage: %d, want 401", got)
				}
				if got := g.ask(featuretest.Exchange("GET", "/")); got != 401 {
					t.Errorf("no token: %d, want 401", got)
				}
			}
			if d := time.Since(start); d > fetchTime+5*time.Second {
				t.Errorf("it took %v", d)
			}
		})
	}
	if n := right.asked.Load(); n != 0 {
		t.Errorf("the redirect was followed %d times", n)
	}
	if n := sent.Load(); n == 0 || n > 32<<20 { // what is sent and not read waits in the sockets
		t.Errorf("%d MiB of 100 were taken", n>>20)
	}
}

// endless answers with 100 MiB of a list of keys, as far as it is read, and counts the bytes.
func endless(sent *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		part := strings.Repeat(" ", 1<<20)
		_, _ = io.WriteString(w, `{"keys":[`)
		for range 100 {
			n, err := io.WriteString(w, part)
			if sent.Add(int64(n)); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, jwk(signers()["ES256"], "")+"]}")
	}
}

// rawServer answers connections with a text.
func rawServer(t *testing.T, answer string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 4096))
			_, _ = io.WriteString(c, answer)
			c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

// TestKeysAreFetchedOnceForAll has many requests at the beginning, and many routes.
func TestKeysAreFetchedOnceForAll(t *testing.T) {
	release := make(chan bool)
	p := publish(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		text(usual())(w, r)
	})
	env := newEnv(t)
	token := signed("ES256", good(""))
	gates := []gate{newGate(t, env, annotations{uriKey: p.URL}), newGate(t, env, annotations{uriKey: p.URL, claimHeadersKey: "X-User=sub"})}
	var wait sync.WaitGroup
	for i := range 50 {
		wait.Go(func() {
			if got := gates[i%2].ask(bearer(token)); got != 0 {
				t.Errorf("%d, want it let in", got)
			}
		})
	}
	close(release)
	wait.Wait()
	newGate(t, env, annotations{uriKey: p.URL}) // a rebuild
	if n := p.asked.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

// clocked is a bubble of fake time with a route in it, whose keys come from a handler.
type clocked struct {
	gate   gate
	source *source
	asked  atomic.Int32
	answer atomic.Pointer[http.HandlerFunc]
}

// RoundTrip implements http.RoundTripper: in fake time there is no network.
func (c *clocked) RoundTrip(r *http.Request) (*http.Response, error) {
	c.asked.Add(1)
	w := httptest.NewRecorder()
	(*c.answer.Load())(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// say changes what the handler answers.
func (c *clocked) say(h http.HandlerFunc) { c.answer.Store(&h) }

// inFakeTime runs a test in a bubble.
func inFakeTime(t *testing.T, answer http.HandlerFunc, run func(t *testing.T, c *clocked)) {
	signers() // made outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c := &clocked{}
		c.say(answer)
		env := newEnv(t)
		env.HTTP, env.Context = c, ctx
		c.gate = newGate(t, env, annotations{uriKey: "https://issuer.test/keys"})
		c.source = c.gate[len(c.gate)-1].(*guard).source
		synctest.Wait()
		run(t, c)
		synctest.Wait()
	})
}

// down answers as a server does that is broken.
func down(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }

// TestLastKeysAreGoodForADay takes the issuer away.
func TestLastKeysAreGoodForADay(t *testing.T) {
	inFakeTime(t, text(usual()), func(t *testing.T, c *clocked) {
		c.say(down)
		begin := time.Now()
		for time.Since(begin) < staleFor-time.Minute {
			if got := c.gate.ask(bearer(signed("ES256", good("")))); got != 0 {
				t.Fatalf("after %v: %d, want it let in", time.Since(begin), got)
			}
			time.Sleep(10 * time.Minute)
		}
		time.Sleep(staleFor - time.Since(begin))
		token := signed("ES256", good(""))
		if got := c.gate.ask(bearer(token)); got != 503 {
			t.Errorf("after a day: %d, want 503", got)
		}
		c.say(text(usual()))
		time.Sleep(againAfter)
		if got := c.gate.ask(bearer(token)); got != 0 {
			t.Errorf("when it is back: %d, want it let in", got)
		}
	})
}

// TestUnknownKeysAreAskedForSeldom asks with a thousand tokens a second for a minute and a half.
func TestUnknownKeysAreAskedForSeldom(t *testing.T) {
	inFakeTime(t, text(usual()), func(t *testing.T, c *clocked) {
		before := c.asked.Load()
		token := sign(`{"alg":"ES256","kid":"nobody's"}`, good(""), "ES256", signers()["other ES256"])
		begin := time.Now()
		for time.Since(begin) < 3*againAfter+time.Second {
			if got := c.gate.ask(bearer(token)); got != 401 {
				t.Fatalf("%d, want 401", got)
			}
			time.Sleep(time.Millisecond)
		}
		if n := c.asked.Load() - before; n != 3 {
			t.Errorf("%d fetches, want 3", n)
		}
	})
}

// TestRotation changes the keys: who has a token of the new one waits for it, whoever has one of the old one is out.
func TestRotation(t *testing.T) {
	inFakeTime(t, text(usual()), func(t *testing.T, c *clocked) {
		old := signed("ES256", good(""))
		fresh := sign(`{"alg":"ES256","kid":"new"}`, good(""), "ES256", signers()["other ES256"])
		if got := c.gate.ask(bearer(old)); got != 0 {
			t.Fatalf("%d, want it let in", got)
		}
		time.Sleep(againAfter)
		c.say(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Second)
			text(keySetOf(jwk(signers()["other ES256"], `,"kid":"new"`)))(w, r)
		})
		start := time.Now()
		if got := c.gate.ask(bearer(fresh)); got != 0 || time.Since(start) != time.Second {
			t.Errorf("a token of the new key: %d after %v", got, time.Since(start))
		}
		if got := c.gate.ask(bearer(old)); got != 401 {
			t.Errorf("a token of the old key, which was remembered: %d, want 401", got)
		}
	})
}

// TestNobodyWaitsForKeysThatAreThere fetches them anew beside the requests.
func TestNobodyWaitsForKeysThatAreThere(t *testing.T) {
	inFakeTime(t, text(usual()), func(t *testing.T, c *clocked) {
		c.say(func(w http.ResponseWriter, r *http.Request) { time.Sleep(time.Second); text(usual())(w, r) })
		time.Sleep(freshFor)
		before, start, set := c.asked.Load(), time.Now(), c.source.last.Load()
		for range 10 {
			if got := c.gate.ask(bearer(signed("ES256", good("")))); got != 0 || time.Since(start) != 0 {
				t.Fatalf("%d after %v", got, time.Since(start))
			}
		}
		time.Sleep(time.Minute)
		if n := c.asked.Load() - before; n != 1 {
			t.Errorf("%d fetches, want 1", n)
		}
		if c.source.last.Load() != set {
			t.Error("keys that have not changed are taken for others, so that every token is checked anew")
		}
	})
}

// TestWaitersAreFewAndDoNotWaitLong has a server that does not answer.
func TestWaitersAreFewAndDoNotWaitLong(t *testing.T) {
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	inFakeTime(t, hang, func(t *testing.T, c *clocked) {
		token := signed("ES256", good(""))
		var wait sync.WaitGroup
		var atOnce, later atomic.Int32
		begin := time.Now()
		for range maxWaiting + 50 {
			wait.Go(func() {
				if got := c.gate.ask(bearer(token)); got != 503 {
					t.Errorf("%d, want 503", got)
				}
				if d := time.Since(begin); d == 0 {
					atOnce.Add(1)
				} else if later.Add(1); d > fetchTime {
					t.Errorf("waited %v", d)
				}
			})
		}
		wait.Wait()
		if atOnce.Load() != 50 || later.Load() != maxWaiting {
			t.Errorf("%d answered at once, %d waited", atOnce.Load(), later.Load())
		}
	})
}

// TestRequestsForKeys looks at what is sent.
func TestRequestsForKeys(t *testing.T) {
	var seen atomic.Pointer[http.Request]
	p := publish(t, func(w http.ResponseWriter, r *http.Request) { seen.Store(r); text(usual())(w, r) })
	g := newGate(t, newEnv(t), annotations{uriKey: p.URL + "/a%2Fb/keys?x=y"})
	if got := g.ask(bearer(signed("RS256", good("")))); got != 0 {
		t.Fatalf("%d, want it let in", got)
	}
	if r := seen.Load(); r.Method != "GET" || r.RequestURI != "/a%2Fb/keys?x=y" || "http://"+r.Host != p.URL || r.Header.Get("Authorization") != "" || r.UserAgent() != "yett" {
		t.Errorf("%s %s at %s, %v", r.Method, r.RequestURI, r.Host, r.Header)
	}
}

// TestFailuresAreToldOnce has a server that is broken, then gone, then back.
func TestFailuresAreToldOnce(t *testing.T) {
	var told []string
	inFakeTime(t, down, func(t *testing.T, c *clocked) {
		c.source.errors = func(err error) { told = append(told, err.Error()) }
		token := signed("ES256", good(""))
		for _, answer := range []http.HandlerFunc{down, down, text("<html>"), text(usual()), down} {
			c.say(answer)
			time.Sleep(freshFor)
			c.gate.ask(bearer(token))
			synctest.Wait()
		}
	})
	if want := []string{
		`read keys from "https://issuer.test/keys": it is not JSON in UTF-8`,
		`fetch keys from "https://issuer.test/keys": it answers 500: want 200 and a key set`,
	}; !slices.Equal(told, want) {
		t.Errorf("%q, want %q", told, want)
	}
}
