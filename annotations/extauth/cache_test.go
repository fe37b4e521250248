package extauth

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
)

// counting is a service that names its answers and how often it was asked.
func counting(t *testing.T) *service {
	var s *service
	s = serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, n := s.last(t)
		w.Header().Set("X-Answer", strconv.Itoa(n))
		switch r.Header.Get("X-Want") {
		case "401":
			w.WriteHeader(401)
		case "403":
			w.WriteHeader(403)
		case "cookie":
			w.Header().Set("Set-Cookie", "a=b")
		case "long":
			w.Header().Set("X-Answer", strings.Repeat("x", maxAnswerBytes+1))
		}
	})
	return s
}

// cached is a Spec with a cache.
func cached(url string) Spec {
	return Spec{
		URL: url, SignInParam: "rd", ResponseHeaders: []string{"X-Answer"}, CacheKey: "$http_x_key",
		CacheTimes: []CacheTime{{200, 5 * time.Minute}, {401, time.Minute}},
	}
}

// keyed is a request with fields.
func keyed(fields ...string) *filter.Exchange {
	x := exchange("GET", "/")
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		x.Request.Fields.Add(name, value)
	}
	return x
}

// answerOf returns which answer of the service an exchange got.
func answerOf(x *filter.Exchange) string {
	v, _ := x.Overrides.Find("X-Answer")
	return v
}

func TestAnswersAreRemembered(t *testing.T) {
	s := counting(t)
	env := newEnv(t)
	f := build(t, env, cached(s.URL))
	for range 3 {
		x := keyed("X-Key: k", "Authorization: Basic x")
		if got := run(f, x); got != 0 || answerOf(x) != "1" {
			t.Errorf("%d, answer %q", got, answerOf(x))
		}
	}
	if got := run(f, keyed("X-Key: k", "X-Want: 401", "Cookie: c")); got != 401 {
		t.Errorf("%d, want 401", got)
	}
	if got := run(f, keyed("X-Key: k", "Cookie: c")); got != 401 {
		t.Errorf("%d, want the remembered 401", got)
	}
	s.Close()
	env.State.Advance()
	x := keyed("X-Key: k", "Authorization: Basic x")
	if got := run(build(t, env, cached(s.URL)), x); got != 0 || answerOf(x) != "1" {
		t.Errorf("after the service died and a new table came: %d, answer %q", got, answerOf(x))
	}
	if got := run(f, keyed("X-Key: other")); got != 500 {
		t.Errorf("%d, want 500 for what is not remembered", got)
	}
}

func TestAnswersExpire(t *testing.T) {
	s := counting(t)
	f := build(t, newEnv(t), cached(s.URL))
	run(f, keyed("X-Key: k"))
	for after, want := range map[time.Duration]string{4*time.Minute + 59*time.Second: "1", 5*time.Minute + time.Second: "2"} {
		if want == "1" {
			x := keyed("X-Key: k")
			x.Start = x.Start.Add(after)
			if run(f, x); answerOf(x) != want {
				t.Errorf("after %v: answer %q, want %q", after, answerOf(x), want)
			}
		}
	}
	x := keyed("X-Key: k")
	x.Start = x.Start.Add(5*time.Minute + time.Second)
	if run(f, x); answerOf(x) != "2" {
		t.Errorf("after five minutes: answer %q, want 2", answerOf(x))
	}
}

func TestAnswersThatAreNotRemembered(t *testing.T) {
	s := counting(t)
	f := build(t, newEnv(t), cached(s.URL))
	for _, want := range []string{"403", "cookie", "long"} {
		_ = run(f, keyed("X-Key: "+want, "X-Want: "+want))
		_, before := 0, 0
		if _, before = s.last(t); run(f, keyed("X-Key: "+want, "X-Want: "+want)) == 500 {
			t.Errorf("%s: 500", want)
		}
		if _, n := s.last(t); n != before+1 {
			t.Errorf("%s: the service was not asked again", want)
		}
	}
}

// TestAnswersAreNotShared has pairs of requests that must not get each other's answer, though their key is the same.
func TestAnswersAreNotShared(t *testing.T) {
	for name, c := range map[string]struct {
		other   []string
		host    string
		path    string
		ingress string
		change  func(*Spec)
	}{
		"another key":                    {other: []string{"X-Key: other", "Authorization: Basic x", "Cookie: a=b"}},
		"another password":               {other: []string{"X-Key: k", "Authorization: Basic y", "Cookie: a=b"}},
		"another cookie":                 {other: []string{"X-Key: k", "Authorization: Basic x", "Cookie: a=c"}},
		"no credentials":                 {other: []string{"X-Key: k"}},
		"the cookie as Authorization":    {other: []string{"X-Key: k", "Authorization: a=b", "Cookie: Basic x"}},
		"two cookies that read the same": {other: []string{"X-Key: k", "Authorization: Basic x", "Cookie: a", "Cookie: =b"}},
		"a key that continues a cookie":  {other: []string{"X-Key: bk", "Authorization: Basic x", "Cookie: a="}},
		"another host":                   {host: "b.test"},
		"another path":                   {path: "/other"},
		"another Ingress":                {ingress: "other"},
		"another URL":                    {change: func(s *Spec) { s.URL += "/other" }},
		"other fields":                   {change: func(s *Spec) { s.ResponseHeaders = []string{"X-Other", "X-Answer"} }},
	} {
		t.Run(name, func(t *testing.T) {
			s := counting(t)
			env := newEnv(t)
			spec := cached(s.URL)
			one := []string{"X-Key: k", "Authorization: Basic x", "Cookie: a=b"}
			run(build(t, env, spec), keyed(one...))
			if c.other == nil {
				c.other = one
			}
			x := keyed(c.other...)
			if c.host != "" {
				x.Request.Host = c.host
			}
			route := *env.Route
			if c.path != "" {
				route.Path = c.path
			}
			if c.ingress != "" {
				route.Ingress = c.ingress
			}
			if env.Route = &route; c.change != nil {
				c.change(&spec)
			}
			if run(build(t, env, spec), x); answerOf(x) != "2" {
				t.Errorf("answer %q, want 2", answerOf(x))
			}
		})
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	c := newCache()
	var d digest
	for i := range 4 * maxAnswers {
		d[0], d[1], d[2] = byte(i), byte(i>>8), byte(i>>16)
		c.put(d, failed, time.Now().Add(time.Hour))
	}
	if n := c.table.Len(); n > maxAnswers+64 {
		t.Errorf("%d answers are remembered", n)
	}
}
