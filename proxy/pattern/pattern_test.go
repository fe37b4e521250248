package pattern

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestMatch(t *testing.T) {
	tests := map[string]struct {
		expr    string
		fold    bool
		matches []string
		others  []string
	}{
		"a literal is found anywhere":            {`oo`, false, []string{"foo", "oo", "oops"}, []string{"OO", "o"}},
		"an anchored literal begins the text":    {`^/foo`, false, []string{"/foo", "/foobar"}, []string{"/FOO", "x/foo", "/fo"}},
		"an anchored literal in either case":     {`^/Foo-1`, true, []string{"/foo-1", "/FOO-1x"}, []string{"/foo", "x/foo-1"}},
		"folding does not touch what is between": {`^/[a]@b`, true, []string{"/a@b"}, []string{"/a`b"}},
		"a dot is any character":                 {`^/a.c$`, false, []string{"/abc", "/a.c", "/aéc"}, []string{"/ac", "/a\nc", "/abcd"}},
		"the rewrite of the documentation":       {`^/something(/|$)(.*)`, true, []string{"/something", "/something/", "/SomeThing/new"}, []string{"/somethingelse"}},
		"alternatives at the top level":          {`^/foo|/bar`, true, []string{"/foo", "/x/bar"}, []string{"/ba"}},
		"an open end":                            {`^/v[0-9]+/`, true, []string{"/v1/", "/V12/x"}, []string{"/v/", "/v1"}},
		"look-ahead":                             {`^/(?!api)`, true, []string{"/app", "/"}, []string{"/api", "/API/x"}},
		"look-ahead behind a lead":               {`^/v1/(?!admin)`, true, []string{"/v1/x", "/V1/"}, []string{"/v1/admin", "/v2/x"}},
		"look-behind":                            {`(?<!x)y`, false, []string{"ay", "y"}, []string{"xy"}},
		"a back-reference":                       {`^/(\w+)/\1$`, false, []string{"/a/a", "/ab/ab"}, []string{"/a/b"}},
		"a named back-reference":                 {`^/(?P<n>\w+)/(?P=n)$`, false, []string{"/a/a"}, []string{"/a/b"}},
		"an atomic group":                        {`^/(?>a+)b`, false, []string{"/aab"}, []string{"/aa"}},
		"an atomic group gives nothing back":     {`^/(?>a+)ab`, false, nil, []string{"/aaab"}},
		"a possessive repetition":                {`^/a++ab`, false, nil, []string{"/aaab"}},
		"the end of the text as PCRE writes it":  {`^/a\Z`, false, []string{"/a"}, []string{"/ab"}},
		"a repetition too large for RE2":         {`^/a{1001}$`, false, []string{"/" + strings.Repeat("a", 1001)}, []string{"/a"}},
		"word characters are ASCII":              {`^/\w+$`, false, []string{"/a_1"}, []string{"/é"}},
		"word characters are ASCII in both":      {`^/(?!x)\w+$`, false, []string{"/a_1"}, []string{"/é"}},
		"bytes that are not UTF-8":               {`^/a.b`, false, []string{"/a\xffb"}, []string{"/a\xff\xffb"}},
		"word boundaries":                        {`\bfoo\b`, false, []string{"a foo b", "foo"}, []string{"afoo", "foob"}},
		"an empty expression matches everything": {``, false, []string{"", "x"}, nil},
		"an optional character at the lead":      {`^/foos?/(?!x)`, false, []string{"/foo/y", "/foos/y"}, []string{"/foo/x", "/fo/y"}},
		"a longer text than the bitmap is for":   {`^/(a|b)*(c|d)*$`, false, []string{"/" + strings.Repeat("ab", 50000)}, []string{"/" + strings.Repeat("ab", 50000) + "x"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Compile(tt.expr, tt.fold)
			if err != nil {
				t.Fatal(err)
			}
			if p.String() != tt.expr {
				t.Errorf("String() = %q", p.String())
			}
			for _, s := range tt.matches {
				if !p.Match(s) {
					t.Errorf("%q does not match %.40q", tt.expr, s)
				}
				if !p.Captures(s, new([Groups]string)) {
					t.Errorf("%q does not capture from %.40q", tt.expr, s)
				}
			}
			for _, s := range tt.others {
				if p.Match(s) {
					t.Errorf("%q matches %.40q", tt.expr, s)
				}
				if p.Captures(s, new([Groups]string)) {
					t.Errorf("%q captures from %.40q", tt.expr, s)
				}
			}
		})
	}
}

func TestCaptures(t *testing.T) {
	tests := map[string]struct {
		expr, s string
		want    []string
	}{
		"the rewrite of the documentation":   {`^/something(/|$)(.*)`, "/something/new", []string{"/something/new", "/", "new"}},
		"the same with nothing behind":       {`^/something(/|$)(.*)`, "/something", []string{"/something"}},
		"a group that took no part is empty": {`^/(?:(a)|(b))`, "/b", []string{"/b", "", "b"}},
		"a repeated group keeps its last":    {`^(?:/(\w))+`, "/a/b/c", []string{"/a/b/c", "c"}},
		"the leftmost match, not the first":  {`b+`, "abba", []string{"bb"}},
		"the first alternative, not longest": {`a|ab`, "ab", []string{"a"}},
		"lazy repetition":                    {`^/(.*?)/(.*)`, "/a/b/c", []string{"/a/b/c", "a", "b/c"}},
		"greedy repetition":                  {`^/(.*)/(.*)`, "/a/b/c", []string{"/a/b/c", "a/b", "c"}},
		"nine groups and no more":            {`(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)`, "abcdefghij", []string{"abcdefghij", "a", "b", "c", "d", "e", "f", "g", "h", "i"}},
		"a literal":                          {`^/foo`, "/foo/bar", []string{"/foo"}},
		"the dot stops at a line feed":       {`^/a(.*)`, "/ab\nc", []string{"/ab", "b"}},
		"look-ahead":                         {`^/(?!x)(\w+)/(.*)`, "/é", nil},
		"look-ahead with groups":             {`^/(?!x)(\w+)/(.*)`, "/ab/cé\xff", []string{"/ab/cé\xff", "ab", "cé\xff"}},
		"look-ahead, a group without part":   {`^/(?!x)(?:(a)|(b))`, "/b", []string{"/b", "", "b"}},
		"named groups count in their order":  {`^/(?!x)(?P<n>a)(b)(?P<m>c)`, "/abc", []string{"/abc", "a", "b", "c"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := Compile(tt.expr, false)
			if err != nil {
				t.Fatal(err)
			}
			var got, want [Groups]string
			got[3] = "left over"
			if ok := p.Captures(tt.s, &got); ok != (tt.want != nil) {
				t.Fatalf("Captures = %v", ok)
			} else if !ok {
				if got[3] != "left over" {
					t.Error("dst was changed without a match")
				}
				return
			}
			copy(want[:], tt.want)
			if got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

func TestErrorsSayWhatWhereAndWhatInstead(t *testing.T) {
	tests := map[string]struct {
		expr   string
		offset int
		parts  []string
	}{
		"a group that is not closed":    {`^/a(b)/(c`, 7, []string{`at byte 7 ("(")`, "missing closing )", `write "\("`}},
		"a group that is not opened":    {`^/a)b`, 3, []string{`at byte 3 (")")`, "unexpected )"}},
		"a parenthesis within a class":  {`[(]/(`, 4, []string{"missing closing )"}},
		"a class that is not closed":    {`^/[ab`, 2, []string{"missing closing ]"}},
		"nothing to repeat":             {`^/(*)`, 3, []string{`("*")`, "missing argument"}},
		"two repetitions":               {`^/a**`, 3, []string{`("**")`, "remove one"}},
		"a range the wrong way round":   {`^/[z-a]`, 3, []string{`("z-a")`, "smaller character first"}},
		"a lonely backslash":            {`^/a\`, 3, []string{"trailing backslash"}},
		"recursion":                     {`^/(?R)`, 2, []string{`(?=…)`}},
		"an escape of PCRE alone":       {`^/a\Kb`, 3, []string{`("\\K")`, "unknown escape", "group"}},
		"white space as PCRE writes it": {`^/\h`, 2, []string{`[ \t]`}},
		"an unknown escape":             {`^/\i`, 2, []string{"remove the backslash"}},
		"a group that does not exist":   {`^/(a)\8`, 5, []string{`("\\8")`}},
		"too long":                      {"^/" + strings.Repeat("a", MaxLength), -1, []string{"longer than 4096 bytes"}},
		"a mistake far behind":          {"^/" + strings.Repeat("a", 4000) + "(", 4002, []string{"at byte 4002"}},
		"too much of it":                {`^/(abcdefghijklmnopqrstuvwxyz){1000}`, -1, []string{"20000 steps", "smaller"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Compile(tt.expr, false)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("Compile(%q) = %v, want an *Error", tt.expr, err)
			}
			if e.Offset != tt.offset {
				t.Errorf("offset %d, want %d: %v", e.Offset, tt.offset, e)
			}
			for _, part := range append(tt.parts, "regular expression") {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error does not say %q: %v", part, err)
				}
			}
			if len(err.Error()) > 400 {
				t.Errorf("error has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestCatastrophicPatternEndsWithinItsLimit(t *testing.T) {
	s := "/" + strings.Repeat("a", 60)
	for _, expr := range []string{
		`^/(?=x?)(a+)+$`,
		`^/(a+)+\1#`,
		`^/(?!b)(a|aa)+$`,
		`^/(?=x?)((a*)*)*b`,
		`(?=x?)(.*)*(.*)*(.*)*(.*)*!`,
	} {
		t.Run(expr, func(t *testing.T) {
			p, err := Compile(expr, false)
			if err != nil {
				t.Fatal(err)
			}
			if p.Bounded() {
				t.Fatal("RE2 took it: the test proves nothing")
			}
			start := time.Now()
			if p.Match(s+"!?") && expr[0] == '^' {
				t.Error("it matches")
			}
			p.Captures(s+"?", new([Groups]string))
			// The limit is 20 ms for each, without it they would take years; a loaded machine gets a wide margin.
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("two searches took %v", d)
			}
		})
	}
	t.Run("RE2 needs no limit", func(t *testing.T) {
		p, err := Compile(`^/(a+)+$`, false)
		if err != nil || !p.Bounded() {
			t.Fatal(err)
		}
		start := time.Now()
		if p.Match("/" + strings.Repeat("a", 4000) + "!") {
			t.Error("it matches")
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

func TestSearchesDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool is not itself under the race detector")
	}
	var dst [Groups]string
	for _, expr := range []string{`^/foo`, `^/foo(/|$)(.*)`, `(\w+)/(\w+)$`, `^/(foo|bar)(?:/(\d+))?`} {
		p, err := Compile(expr, true)
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() {
			p.Match("/foo/bar")
			p.Match("/other")
			p.Captures("/foo/bar", &dst)
		}); n != 0 {
			t.Errorf("%q: %v allocations", expr, n)
		}
	}
}

func TestLead(t *testing.T) {
	tests := map[string]string{
		`^/foo`:          "/foo",
		`/foo(`:          "/foo",
		`/foo/(.*`:       "/foo/",
		`/a.b(`:          "/a",
		`/a\.b\d(`:       "/a.b",
		`/foo*(`:         "/fo",
		`/foo?(`:         "/fo",
		`/foo+(`:         "/fo",
		`/foo{2}(`:       "/fo",
		`/foo|/bar(`:     "",
		`/foo(a|b)[`:     "",
		`/foo(a|b)(`:     "/foo",
		`/foo(a\)|b`:     "/foo",
		`/café(`:         "/caf",
		`(?i)/foo(`:      "",
		``:               "",
		`/a\`:            "/a",
		`^/v1/(?!admin)`: "/v1/",
	}
	for expr, want := range tests {
		if got := Lead(expr); got != want {
			t.Errorf("Lead(%q) = %q, want %q", expr, got, want)
		}
	}
}

func TestLiteral(t *testing.T) {
	p := Literal("/a.b(", true)
	for s, want := range map[string]bool{"/a.b(": true, "/A.B(c": true, "/axb(": false, "/a.b": false, "x/a.b(": false} {
		if p.Match(s) != want {
			t.Errorf("Match(%q) = %v", s, !want)
		}
	}
	if p.Lead() != "/a.b(" {
		t.Errorf("Lead() = %q", p.Lead())
	}
	if p.String() != `^/a\.b\(` {
		t.Errorf("String() = %q", p.String())
	}
}

func TestFindTellsThatItGaveUp(t *testing.T) {
	hard := "/" + strings.Repeat("a", 60) + "!"
	for expr, want := range map[string]error{`^/(?!x)(?:(\w+/?)*$|.*)`: ErrGaveUp, `^/(?!x).*!`: nil, `^/(\w+/?)*!$`: nil, `^/(a|aa)+!$`: nil} {
		p, err := Compile(expr, true)
		if err != nil {
			t.Fatal(err)
		}
		var dst [Groups]string
		for _, d := range []*[Groups]string{nil, &dst} {
			if found, err := p.Find(hard, d); err != want || found != (want == nil) {
				t.Errorf("%s: %t %v, want %v", expr, found, err, want)
			}
		}
		if got := p.Match(hard); got != (want == nil) {
			t.Errorf("%s: Match says %t", expr, got)
		}
	}
}
