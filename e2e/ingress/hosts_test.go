package ingress

import (
	"testing"

	"github.com/yettproxy/yett/e2e/harness"
)

// TestHostnameWildcards is the table of the section "Hostname wildcards": a wildcard stands for exactly one label, the first.
func TestHostnameWildcards(t *testing.T) {
	s := newStage(t)
	s.deploy("wild", "precise")
	s.ingress("wildcard", harness.Rule("*.foo.com", harness.Path(prefix, "/", "wild")))
	for host, want := range map[string]string{
		"bar.foo.com":     "wild", // shares the suffix
		"baz.bar.foo.com": "404",  // two labels
		"foo.com":         "404",  // none
		"bar.foo.org":     "404", "barfoo.com": "404", "BAR.Foo.com": "wild", "bar.foo.com:80": "wild", "b-a-r.foo.com": "wild", "1.foo.com": "wild",
	} {
		if got, _ := s.ask(false, host, "/"); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

// TestPreciseHostsGoBeforeWildcards is the section "Hostname wildcards": hosts can be precise or wildcards; a precise one must
// be the Host field as a whole, and goes first (the specification of IngressRule).
func TestPreciseHostsGoBeforeWildcards(t *testing.T) {
	s := newStage(t)
	s.deploy("wild", "precise", "below")
	s.ingress("wildcard-host", harness.Rule("foo.bar.com", harness.Path(prefix, "/bar", "precise")), harness.Rule("*.bar.com", harness.Path(prefix, "/foo", "wild")),
		harness.Rule("*.sub.bar.com", harness.Path(prefix, "/foo", "below")))
	s.want("foo.bar.com", "/bar", "precise")
	s.want("other.bar.com", "/foo", "wild")
	s.want("x.sub.bar.com", "/foo", "below")
	s.want("foo.bar.com", "/foo", "404") // the host is taken; its paths are not joined with those of the wildcard
	s.want("other.bar.com", "/bar", "404")
}

// TestHostsThatAreNoneAreRefused is the specification of IngressRule: no addresses, no ports, and no wildcards but as the
// whole first label. The API server sees to it.
func TestHostsThatAreNoneAreRefused(t *testing.T) {
	s := newStage(t)
	for _, host := range []string{"192.0.2.1", "foo.bar.com:80", "*", "foo.*.com", "*.*.com", "*foo.com", "Foo.com", "foo_bar.com", "a..b"} {
		if err := s.Create(t.Context(), s.object("refused", harness.Rule(host, harness.Path(prefix, "/", "a")))); err == nil {
			t.Errorf("%q: the API server took it", host)
		}
	}
}
