package extauth

import (
	"strings"
	"testing"

	"github.com/yettproxy/yett/annotations/remote"
	"github.com/yettproxy/yett/proxy/variable"
	"github.com/yettproxy/yett/proxy/wire"
)

// FuzzURL has two texts: what a user writes and what a client sends.
func FuzzURL(f *testing.F) {
	for _, text := range []string{
		"http://auth.test/check", "https://$host:8443/x?u=$request_uri", "http://auth.test$uri", "http://${host}$", "http://[::1]/", "http://a//b",
	} {
		f.Add(text, "/x?y=%zz")
	}
	f.Fuzz(func(t *testing.T, text, sent string) {
		if !remote.IsText(text) || remote.Check(text) != nil {
			return
		}
		template, err := variable.Compile(text)
		if err != nil {
			return
		}
		x := exchange("GET", "/"+sent)
		x.Request.Fields.Add("X-Sent", sent)
		u, err := remote.Target(string(template.Append(nil, x)), new(wire.Arena))
		if err != nil {
			return
		}
		// Whatever clients send, it stays behind the host that was configured.
		literal, _, _ := remote.SplitTemplate(text)
		if !strings.Contains(literal, "$") && !wire.EqualFold(u.Host, literal) {
			t.Errorf("%q with %q goes to %q", text, sent, u.Host)
		}
		if uri := u.RequestURI(); !strings.HasPrefix(uri, "/") || strings.ContainsFunc(uri, func(r rune) bool { return r <= 0x20 || r >= 0x7f }) {
			t.Errorf("%q with %q asks for %q", text, sent, uri)
		}
		s, err := newSignIn(text, "rd")
		if err != nil {
			t.Fatal(err)
		}
		location := s.location(x)
		if strings.ContainsFunc(location, func(r rune) bool { return r <= 0x20 || r >= 0x7f }) {
			t.Errorf("%q with %q sends clients to %q", text, sent, location)
		}
	})
}

func FuzzTimes(f *testing.F) {
	for _, text := range []string{"200 202 401 5m", "200 1h30m, 401 1s", "1d", "200", ",", "99999999999999999999s"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		times, ok := parseTimes(text)
		seen := map[int]bool{}
		for _, c := range times {
			if ok && (c.Status < 100 || c.Status > 999 || c.For < 0 || seen[c.Status]) {
				t.Errorf("%q: %v", text, times)
			}
			seen[c.Status] = true
		}
		if ok && len(times) == 0 {
			t.Errorf("%q gives no times", text)
		}
	})
}
