package e2e

import (
	"strings"
	"testing"
)

// answerCase is a GET and how it is answered; see reply.String.
type answerCase struct {
	host, target, want string
}

// wantAll asks for all cases.
func (s *stage) wantAll(cases []answerCase) {
	s.t.Helper()
	for _, c := range cases {
		s.want(c.host, c.target, c.want)
	}
}

// TestCompatHosts is nginx-compat section 3.1: which rule a Host belongs to.
func TestCompatHosts(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b", "c", "d")
	for _, i := range []ing{
		{name: "exact", host: "exact.test", paths: []string{"/"}},
		{name: "upper", host: "paths.test", paths: []string{"/only Prefix a"}},
		{name: "wild", host: "*.wild.test", paths: []string{"/ Prefix b"}},
		{name: "inwild", host: "in.wild.test", paths: []string{"/"}},
		{name: "aliased", host: "aliased.test", paths: []string{"/ Prefix c"}, notes: []string{`server-alias: alias.test, *.alias.test, ~^re-\d+\.test$, exact.test`}},
		{name: "aliaswild", host: "other.test", paths: []string{"/ Prefix d"}, notes: []string{`server-alias: named.wild.test`}},
		{name: "below", host: "below.test", paths: []string{"/api Prefix a"}, fallback: "d"},
		{name: "joined1", host: "joined.test", paths: []string{"/one Prefix a"}, age: 2},
		{name: "joined2", host: "joined.test", paths: []string{"/two Prefix b", "/one Prefix b"}, age: 1},
		{name: "namespaced", host: "ns.test", paths: []string{"/ Prefix a"}, more: " namespace: elsewhere\n"},
		{name: "missing", host: "missing.test", paths: []string{"/ Prefix nobody"}},
	} {
		s.add(i.String())
	}
	s.start()
	for _, c := range []answerCase{
		{"exact.test", "/", "a /"}, {"EXACT.Test", "/", "a /"}, {"exact.test:80", "/", "a /"}, {"exact.test:12345", "/", "a /"},
		{"exact.test.", "/", "a /"}, {"exact.test.:80", "/", "a /"}, {"www.exact.test", "/", "404"}, {"exact.tes", "/", "404"}, {"xexact.test", "/", "404"},
		{"paths.test", "/only", "a /only"}, {"paths.test", "/", "404"}, {"paths.test", "/other", "404"},
		{"x.wild.test", "/", "b /"}, {"X.WILD.TEST:80", "/", "b /"}, {"x_y.wild.test", "/", "b /"}, {"in.wild.test", "/", "a /"},
		{"x.y.wild.test", "/", "404"}, {"wild.test", "/", "404"}, {"xwild.test", "/", "404"},
		{"alias.test", "/", "c /"}, {"x.alias.test", "/", "c /"}, {"re-12.test", "/", "c /"}, {"RE-12.test", "/", "c /"}, {"re-x.test", "/", "404"}, {"x.y.alias.test", "/", "404"},
		{"named.wild.test", "/", "d /"},
		{"below.test", "/api/x", "a /api/x"}, {"below.test", "/", "d /"}, {"below.test", "/x", "d /x"},
		{"joined.test", "/one", "a /one"}, {"joined.test", "/two", "b /two"},
		{"ns.test", "/", "503"}, {"missing.test", "/", "503"},
		{"nobody.test", "/", "404"}, {"127.0.0.1", "/", "404"}, {"[::1]:80", "/", "404"},
	} {
		s.want(c.host, c.target, c.want)
	}
	s.logged("aliased", "exact.test")
	s.logged("joined2", "/one")
	s.logged("missing", "nobody")
}

// TestCompatCatchAll is what answers for hosts that nobody names, and for paths that nobody claims.
func TestCompatCatchAll(t *testing.T) {
	t.Run("defaultBackend", func(t *testing.T) {
		s := newStage(t)
		s.echo("a", "b", "c")
		s.add(ing{name: "rest", fallback: "b", notes: []string{"permanent-redirect: /gone", "rewrite-target: /x"}, age: 9}.String(),
			ing{name: "younger", fallback: "c"}.String(),
			ing{name: "named", host: "named.test", paths: []string{"/api Prefix a"}}.String(),
			ing{name: "hostless", paths: []string{"/hostless Prefix c", "/ Prefix c"}, age: 20}.String())
		s.start()
		s.wantAll([]answerCase{
			{"nobody.test", "/", "b /"}, {"nobody.test", "/deep?q=1", "b /deep?q=1"}, {"nobody.test", "/hostless/x", "c /hostless/x"},
			{"named.test", "/api", "a /api"}, {"named.test", "/", "404"}, {"", "/", "400"}, {"127.0.0.1", "/", "b /"},
			{"nobody.test", "/healthz", "200"},
		})
		s.logged("default/younger")
	})
	t.Run("flag", func(t *testing.T) {
		s := newStage(t)
		s.echo("a", "b")
		s.add(ing{name: "named", host: "named.test", paths: []string{"/api Prefix a"}}.String())
		s.start("--default-backend-service", "default/b")
		s.wantAll([]answerCase{{"nobody.test", "/x", "b /x"}, {"named.test", "/x", "b /x"}, {"named.test", "/api", "a /api"}, {"nobody.test", "/healthz", "200"}})
	})
	t.Run("disabled", func(t *testing.T) {
		s := newStage(t)
		s.echo("a", "b")
		s.add(ing{name: "rest", fallback: "b"}.String(), ing{name: "both", host: "both.test", paths: []string{"/"}, fallback: "b"}.String())
		s.start("--disable-catch-all")
		s.wantAll([]answerCase{{"nobody.test", "/x", "404"}, {"both.test", "/", "404"}})
	})
	t.Run("rule", func(t *testing.T) {
		s := newStage(t)
		s.echo("a", "b")
		s.add(ing{name: "hostless", paths: []string{"/app Prefix a", "/healthz Exact b"}}.String())
		s.start()
		s.wantAll([]answerCase{{"nobody.test", "/app/x", "a /app/x"}, {"nobody.test", "/", "404"}, {"nobody.test", "/healthz", "b /healthz"}})
	})
}

// TestCompatDefaultBackendAnnotation answers for Services without endpoints.
func TestCompatDefaultBackendAnnotation(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	s.add("---\napiVersion: v1\nkind: Service\nmetadata: {name: empty}\nspec: {ports: [{port: 80}]}\n",
		ing{name: "spare", host: "spare.test", paths: []string{"/ Prefix empty", "/full Prefix a"}, notes: []string{"default-backend: b"}}.String())
	s.start()
	r := s.want("spare.test", "/x", "b /x", "Accept: text/html", "X-Code: 200", "X-Service-Name: evil")
	for name, want := range map[string]string{"X-Code": "503", "X-Format": "text/html", "X-Namespace": "default", "X-Ingress-Name": "spare", "X-Service-Name": "empty", "X-Service-Port": "80"} {
		if r.Seen != nil && strings.Join(r.Seen.Header.Values(name), "|") != want {
			t.Errorf("%s is %q, want %q", name, r.Seen.Header.Values(name), want)
		}
	}
	if r := s.want("spare.test", "/full", "a /full"); r.Seen != nil && r.Seen.Header.Get("X-Code") != "" {
		t.Errorf("X-Code for a Service that is there: %v", r.Seen.Header)
	}
	s.want("spare.test", "/fuller", "b /fuller")
}

// TestCompatPaths is the table of nginx-compat section 3.2 for hosts without regular expressions.
func TestCompatPaths(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b", "c", "d")
	for _, i := range []ing{
		{name: "exact", host: "exact.test", paths: []string{"/foo Exact"}},
		{name: "exactslash", host: "exactslash.test", paths: []string{"/foo/ Exact"}},
		{name: "prefix", host: "prefix.test", paths: []string{"/foo Prefix"}},
		{name: "prefixslash", host: "prefixslash.test", paths: []string{"/foo/ Prefix"}},
		{name: "impl", host: "impl.test", paths: []string{"/foo ImplementationSpecific"}},
		{name: "both", host: "both.test", paths: []string{"/foo Exact a", "/foo Prefix b", "/foo/bar Prefix c", "/ Prefix d"}},
		{name: "slashes", host: "slashes.test", paths: []string{"/foo Exact a", "/foo/ Prefix b"}},
		{name: "long", host: "long.test", paths: []string{"/a Prefix a", "/a/b Prefix b", "/a/b/c Exact c", "/a-b Prefix d"}},
		{name: "odd", host: "odd.test", paths: []string{"/a.b_c~d Prefix a", "/ä Prefix b", "/with space Prefix c", "/per%20cent Prefix d"}},
		{name: "relative", host: "relative.test", paths: []string{"/foo/ Prefix"}, notes: []string{"relative-redirects: true"}},
		{name: "portly", host: "portly.test", paths: []string{"/foo/ Prefix"}, notes: []string{"use-port-in-redirects: true"}},
	} {
		s.add(i.String())
	}
	s.start()
	s.wantAll([]answerCase{
		{"exact.test", "/foo", "a /foo"}, {"exact.test", "/foo?x", "a /foo?x"}, {"exact.test", "/foo/", "404"}, {"exact.test", "/foo/bar", "404"}, {"exact.test", "/Foo", "404"}, {"exact.test", "/foobar", "404"},
		{"exactslash.test", "/foo/", "a /foo/"}, {"exactslash.test", "/foo", "301 http://exactslash.test/foo/"}, {"exactslash.test", "/foo/x", "404"},
		{"prefix.test", "/foo", "a /foo"}, {"prefix.test", "/foo/", "a /foo/"}, {"prefix.test", "/foo/bar?q", "a /foo/bar?q"}, {"prefix.test", "/foobar", "404"}, {"prefix.test", "/FOO", "404"}, {"prefix.test", "/", "404"},
		{"prefixslash.test", "/foo/", "a /foo/"}, {"prefixslash.test", "/foo/bar", "a /foo/bar"}, {"prefixslash.test", "/foo", "301 http://prefixslash.test/foo/"},
		{"prefixslash.test", "/foo?a=b&c", "301 http://prefixslash.test/foo/?a=b&c"}, {"prefixslash.test", "/foo?", "301 http://prefixslash.test/foo/?"}, {"PrefixSlash.test:8080", "/foo", "301 http://prefixslash.test/foo/"}, {"prefixslash.test", "/foobar", "404"},
		{"impl.test", "/foo/bar", "a /foo/bar"}, {"impl.test", "/foobar", "404"},
		{"both.test", "/foo", "a /foo"}, {"both.test", "/foo/", "b /foo/"}, {"both.test", "/foo/x", "b /foo/x"}, {"both.test", "/foo/bar/x", "c /foo/bar/x"}, {"both.test", "/foo/barn", "b /foo/barn"}, {"both.test", "/x", "d /x"},
		{"slashes.test", "/foo", "a /foo"}, {"slashes.test", "/foo/", "b /foo/"},
		{"long.test", "/a/b/c", "c /a/b/c"}, {"long.test", "/a/b/c/", "b /a/b/c/"}, {"long.test", "/a/bc", "a /a/bc"}, {"long.test", "/a-b/x", "d /a-b/x"}, {"long.test", "/a-c", "404"},
		{"odd.test", "/a.b_c~d/x", "a /a.b_c~d/x"}, {"odd.test", "/%C3%A4/x", "b /%C3%A4/x"}, {"odd.test", "/with%20space", "c /with%20space"},
		{"relative.test", "/foo?q", "301 /foo/?q"},
		// Matched is the decoded and normalised path, sent is the raw one.
		{"prefix.test", "/%66oo/bar", "a /%66oo/bar"}, {"prefix.test", "//foo//bar", "a //foo//bar"}, {"prefix.test", "/x/../foo", "a /x/../foo"}, {"prefix.test", "/./foo", "a /./foo"},
		{"prefix.test", "/foo/../x", "404"}, {"prefix.test", "/foo%2Fbar", "a /foo%2Fbar"}, {"prefix.test", "/x%2F..%2Ffoo", "a /x%2F..%2Ffoo"}, {"prefix.test", "/../foo", "400"}, {"prefix.test", "/%2e%2e/foo", "400"}, {"prefix.test", "/foo/../../x", "400"},
		{"prefix.test", "/foo/%00", "400"}, {"prefix.test", "/foo/%zz", "400"}, {"prefix.test", "/foo/%2", "400"},
		{"prefixslash.test", "/x/..//foo", "301 http://prefixslash.test/foo/"}, {"prefixslash.test", "/%66oo?a=%20", "301 http://prefixslash.test/foo/?a=%20"},
	})
	_, port := hostPort(t, s.gate.HTTP)
	s.want("portly.test", "/foo", "301 http://portly.test:"+port+"/foo/")
}

// TestCompatRegexHosts is the part of section 3.2 about hosts with a regular expression.
func TestCompatRegexHosts(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b", "c", "d")
	regex := []string{"use-regex: true"}
	for _, i := range []ing{
		{name: "re", host: "re.test", paths: []string{"/v[0-9]+/users ImplementationSpecific a", "/foo/.* ImplementationSpecific b"}, notes: regex, age: 2},
		{name: "plain", host: "re.test", paths: []string{"/literal Prefix c", "/exact Exact d", "/slash/ Prefix c"}, age: 1},
		{name: "trap", host: "trap.test", paths: []string{"/foo/bar/.+ ImplementationSpecific a", "/foo/bar/[A-Z0-9]{3} ImplementationSpecific b", "/foo/bar/bar Prefix c"}, notes: regex},
		{name: "order", host: "order.test", paths: []string{"/a.c ImplementationSpecific a", "/abc ImplementationSpecific b"}, notes: regex},
		{name: "ahead", host: "ahead.test", paths: []string{`/(?!api)[a-z]+/x ImplementationSpecific a`, `/(\w)\1$ ImplementationSpecific b`}, notes: regex},
		{name: "rewriting", host: "rewriting.test", paths: []string{"/one Prefix a"}, notes: []string{"rewrite-target: /"}},
		{name: "beside", host: "rewriting.test", paths: []string{"/two Exact b"}},
		{name: "same", host: "same.test", paths: []string{"/one Prefix a"}, notes: []string{"rewrite-target: /one"}},
		{name: "bad", host: "bad.test", paths: []string{"/bad/( ImplementationSpecific a", "/good ImplementationSpecific b", "/ Prefix c"}, notes: regex},
	} {
		s.add(i.String())
	}
	s.start()
	s.wantAll([]answerCase{
		{"re.test", "/v12/users/7", "a /v12/users/7"}, {"re.test", "/V1/USERS", "a /V1/USERS"}, {"re.test", "/vx/users", "404"}, {"re.test", "/foo/", "b /foo/"}, {"re.test", "/foo", "404"},
		{"re.test", "/literal", "c /literal"}, {"re.test", "/literally", "c /literally"}, {"re.test", "/LITERAL/x", "c /LITERAL/x"},
		{"re.test", "/exact", "d /exact"}, {"re.test", "/exact123", "d /exact123"}, {"re.test", "/Exact", "d /Exact"},
		{"re.test", "/slash", "404"}, {"re.test", "/slash/x", "c /slash/x"},
		{"trap.test", "/foo/bar/bar", "b /foo/bar/bar"}, {"trap.test", "/foo/bar/BAZ", "b /foo/bar/BAZ"}, {"trap.test", "/foo/bar/x", "a /foo/bar/x"},
		{"order.test", "/abc", "b /abc"}, {"order.test", "/axc", "a /axc"},
		{"ahead.test", "/web/x", "a /web/x"}, {"ahead.test", "/api/x", "404"}, {"ahead.test", "/zz", "b /zz"}, {"ahead.test", "/zy", "404"},
		{"rewriting.test", "/ONE/more", "a /"}, {"rewriting.test", "/onemore", "a /"}, {"rewriting.test", "/two2", "b /two2"},
		{"same.test", "/one/x", "a /one/x"}, {"same.test", "/ONE", "404"},
		{"bad.test", "/good", "b /good"}, {"bad.test", "/bad/x", "503"}, {"bad.test", "/bad/", "503"}, {"bad.test", "/x", "c /x"},
	})
	s.logged("default/bad", "/bad/(")
}
