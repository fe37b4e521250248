package filter

import (
	"testing"

	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

func TestHopsAreCountedDownForOPTIONSOnly(t *testing.T) {
	for name, tt := range map[string]struct {
		method string
		hops   int
		want   string // Max-Forwards as the upstream sees it
	}{
		"OPTIONS with hops left":   {"OPTIONS", 3, "2"},
		"OPTIONS with one left":    {"OPTIONS", 1, "0"},
		"OPTIONS without a number": {"OPTIONS", -1, ""},
		"GET":                      {"GET", 3, ""},
		"GET with none left":       {"GET", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var x Exchange
			x.Request.Method, x.Request.Target = tt.method, "/"
			if !x.Hop(tt.hops) {
				t.Fatal("it goes no further")
			}
			if got := x.Overrides.Value(wire.MaxForwards); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestAnAffinityCookieCountsForItsUpstreamOnly(t *testing.T) {
	registry := upstream.NewRegistry()
	mine, other := registry.Upstream(upstream.Key{Service: "a"}), registry.Upstream(upstream.Key{Service: "b"})
	own := upstream.Cookie{Key: 7, Owner: mine.Hash()}.String()
	foreign := upstream.Cookie{Key: 8, Owner: other.Hash()}.String()
	for name, tt := range map[string]struct {
		fields []string
		ok     bool
	}{
		"none":                          {nil, false},
		"another name":                  {[]string{"x=" + own}, false},
		"its own":                       {[]string{"a=b; route=" + own}, true},
		"in another case, with spaces":  {[]string{"ROUTE=" + own + " "}, true},
		"of another upstream":           {[]string{"route=" + foreign}, false},
		"behind one of another":         {[]string{"route=" + foreign + "; route=" + own}, true},
		"in the second field":           {[]string{"a=b", "route=" + own}, true},
		"something that nobody has set": {[]string{"route=x"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var x Exchange
			for _, f := range tt.fields {
				x.Request.Fields.AddKnown(wire.Cookie, f)
			}
			c, ok := x.Affinity("route", mine)
			if ok != tt.ok || ok && c.Key != 7 {
				t.Errorf("%v, %v", c, ok)
			}
		})
	}
}
