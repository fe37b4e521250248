package pattern

import (
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"
)

// FuzzCompile compiles any text, and where regexp takes the expression too it must find the same.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		`^/foo`, `^/foo(/|$)(.*)`, `^/(?!api)`, `(\w+)/\1`, `a**`, `(a`, `[z-a]`, `(?i)x`, `^/(a+)+$`, `\bfoo\b`, `(|a)*`, `(a*)*`,
		`(?s).*`, `.*$`, `(?m)^a$`, `a{2,3}?`, `(^a|b$)`, `[^/]+`, `\pL`, `\x{41}`, `(?U)a+`, `\Q(\E`, `k`, `(.*)(.*)`, `^$`,
	} {
		f.Add(seed, "/foo/bar", false)
		f.Add(seed, "/FOO\n\xffé", true)
	}
	f.Fuzz(func(t *testing.T, expr, s string, fold bool) {
		if len(expr) > 200 || len(s) > 500 {
			return
		}
		start := time.Now()
		p, err := Compile(expr, fold)
		if d := time.Since(start); d > 5*time.Second {
			t.Fatalf("compiling %q took %v", expr, d)
		}
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Error() == "" {
				t.Fatalf("not an *Error: %v", err)
			}
			return
		}
		start = time.Now()
		var got [Groups]string
		found := p.Captures(s, &got)
		if !p.Bounded() {
			if d := time.Since(start); d > 5*time.Second {
				t.Fatalf("%q in %q took %v", expr, s, d)
			}
			for _, c := range got {
				if !strings.Contains(s, c) {
					t.Fatalf("capture %q is no part of %q", c, s)
				}
			}
			return
		}
		if p.Match(s) != found {
			t.Fatalf("%q in %q: Match %v, Captures %v", expr, s, !found, found)
		}
		if fold && strings.ContainsAny(s, "\u212a\u017f") {
			return // the two letters that are ASCII in another case; we fold the lead as nginx does, bytewise
		}
		flagged := expr
		if fold {
			flagged = "(?i:" + expr + ")"
		}
		re, err := regexp.Compile(flagged)
		if err != nil {
			return // nothing to compare with, such as an unclosed \Q
		}
		var want [Groups]string
		m := re.FindStringSubmatchIndex(s)
		if m != nil {
			fill(&want, s, m)
		}
		if found != (m != nil) || got != want {
			t.Fatalf("%q (fold %v) in %q:\ngot  %v %q\nwant %v %q", expr, fold, s, found, got, m != nil, want)
		}
	})
}
