package e2e

import (
	"strings"
	"testing"
)

// TestCompatRewrite is nginx-compat section 3.3.
func TestCompatRewrite(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	rewrite := func(name, path, target string, notes ...string) {
		s.add(ing{name: name, host: name + ".test", paths: []string{path + " ImplementationSpecific a"}, notes: append(notes, "rewrite-target: "+target)}.String())
	}
	rewrite("strip", "/api(/|$)(.*)", "/$2")
	rewrite("whole", "/something", "/")
	rewrite("swap", "/([^/]+)/([^/]+)/?(.*)", "/$2/$1?rest=$3")
	rewrite("optional", "/x(/a)?(/b)?", "/y$1$2")
	rewrite("prefix", "/pre/(.*)", "/$1", "x-forwarded-prefix: /pre")
	rewrite("prefixgroup", "/(pre|post)/(.*)", "/$2", "x-forwarded-prefix: /$1")
	rewrite("url", "/go/(.*)", "https://elsewhere.test/$1")
	rewrite("static", "/docs", "https://docs.test/")
	rewrite("noslash", "/n/(.*)", "$1")
	s.add(ing{name: "root", host: "root.test", paths: []string{"/"}, notes: []string{"app-root: /app1"}}.String(),
		ing{name: "lone", host: "lone.test", paths: []string{"/"}, notes: []string{"x-forwarded-prefix: /pre"}}.String())
	s.start()
	s.wantAll([]answerCase{
		{"strip.test", "/api", "a /"}, {"strip.test", "/api/", "a /"}, {"strip.test", "/api/v1/x?q=1&r", "a /v1/x?q=1&r"}, {"strip.test", "/API/X", "a /X"}, {"strip.test", "/apix", "404"}, {"strip.test", "/", "404"},
		{"whole.test", "/something", "a /"}, {"whole.test", "/something/new?x=1", "a /?x=1"}, {"whole.test", "/somethingelse", "a /"},
		{"swap.test", "/1/2", "a /2/1?rest="}, {"swap.test", "/1/2/3/4?q", "a /2/1?rest=3/4&q"},
		{"optional.test", "/x", "a /y"}, {"optional.test", "/x/b", "a /y/b"}, {"optional.test", "/x/a/b", "a /y/a/b"},
		{"url.test", "/go/a/b?q=1", "302 https://elsewhere.test/a/b?q=1"}, {"static.test", "/docs/x", "302 https://docs.test/"},
		{"noslash.test", "/n/x", "a /x"},
		// What is encoded is decoded for the match and encoded again: as nginx's, not as sent.
		{"strip.test", "/api/a%20b", "a /a%20b"}, {"strip.test", "/api/%C3%A4", "a /%C3%A4"}, {"strip.test", "/api/a%3Fb%23c", "a /a%3Fb%23c"}, {"strip.test", "/api/a%25b", "a /a%25b"},
		{"strip.test", "/api/a%2Fb", "a /a/b"}, {"strip.test", "/api//a", "a /a"}, {"strip.test", "/x/../api/a", "a /a"}, {"strip.test", "/api/%41", "a /A"},
		{"root.test", "/", "302 http://root.test/app1"}, {"root.test", "/?x", "302 http://root.test/app1"}, {"ROOT.test:8080", "/", "302 http://ROOT.test:8080/app1"}, {"root.test", "/app1", "a /app1"}, {"root.test", "//", "302 http://root.test/app1"},
	})
	for _, c := range []struct{ host, target, prefix string }{
		{"prefix.test", "/pre/x", "/pre"}, {"prefixgroup.test", "/post/x", "/post"}, {"lone.test", "/x", ""}, {"strip.test", "/api/x", ""},
	} {
		r := s.get(c.host, c.target, "X-Forwarded-Prefix: /evil")
		if r.Seen == nil || r.Seen.Header.Get("X-Forwarded-Prefix") != c.prefix {
			t.Errorf("%s: X-Forwarded-Prefix of %s is %v, want %q", c.host, r, r.Seen, c.prefix)
		}
	}
	s.logged("default/lone", "x-forwarded-prefix")
}

// TestCompatRedirects is the table of nginx-compat section 3.4, to the byte.
func TestCompatRedirects(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	for _, i := range []ing{
		{name: "tls", host: "tls.test", paths: []string{"/", "/.well-known/acme-challenge/token Exact b"}, secret: "absent"},
		{name: "nosecret", host: "nosecret.test", paths: []string{"/"}, secret: "-"},
		{name: "plain", host: "plain.test", paths: []string{"/"}},
		{name: "off", host: "off.test", paths: []string{"/"}, secret: "-", notes: []string{"ssl-redirect: false"}},
		{name: "force", host: "force.test", paths: []string{"/"}, notes: []string{"force-ssl-redirect: true"}},
		{name: "keep", host: "keep.test", paths: []string{"/"}, secret: "-", notes: []string{"preserve-trailing-slash: true"}},
		{name: "www", host: "www.one.test", paths: []string{"/"}, notes: []string{"from-to-www-redirect: true"}},
		{name: "bare", host: "two.test", paths: []string{"/"}, notes: []string{"from-to-www-redirect: true"}},
		{name: "own", host: "three.test", paths: []string{"/"}, notes: []string{"from-to-www-redirect: true"}},
		{name: "own2", host: "www.three.test", paths: []string{"/ Prefix b"}},
		{name: "perm", host: "perm.test", paths: []string{"/"}, notes: []string{"permanent-redirect: https://new.test/path?x=1"}},
		{name: "permcode", host: "permcode.test", paths: []string{"/"}, notes: []string{"permanent-redirect: https://new.test", "permanent-redirect-code: 308"}},
		{name: "permbad", host: "permbad.test", paths: []string{"/"}, notes: []string{"permanent-redirect: https://new.test", "permanent-redirect-code: 404"}},
		{name: "permpath", host: "permpath.test", paths: []string{"/"}, notes: []string{"permanent-redirect: /moved"}},
		{name: "permrel", host: "permrel.test", paths: []string{"/"}, notes: []string{"permanent-redirect: /moved", "relative-redirects: true"}},
		{name: "temp", host: "temp.test", paths: []string{"/"}, notes: []string{"temporal-redirect: https://temp.test/x", "permanent-redirect: https://perm.test"}},
		{name: "tempcode", host: "tempcode.test", paths: []string{"/"}, notes: []string{"temporal-redirect: https://temp.test/x", "temporal-redirect-code: 307"}},
		{name: "temppath", host: "temppath.test", paths: []string{"/"}, notes: []string{"temporal-redirect: /x"}},
		{name: "guarded", host: "guarded.test", paths: []string{"/"}, secret: "-", notes: []string{"denylist-source-range: 127.0.0.0/8"}},
		{name: "guarded2", host: "guarded2.test", paths: []string{"/"}, notes: []string{"denylist-source-range: 127.0.0.0/8", "permanent-redirect: https://new.test"}},
	} {
		s.add(i.String())
	}
	s.start()
	_, port := hostPort(t, s.gate.HTTP)
	s.wantAll([]answerCase{
		{"tls.test", "/", "308 https://tls.test"}, {"tls.test", "/a/b?c=d", "308 https://tls.test/a/b?c=d"}, {"tls.test", "/a/", "308 https://tls.test/a"}, {"tls.test", "/a/?b=/", "308 https://tls.test/a/?b="}, {"tls.test", "/a%2Fb//c", "308 https://tls.test/a%2Fb//c"},
		{"TLS.test:8080", "/x", "308 https://TLS.test/x"}, {"tls.test", "/.well-known/acme-challenge/token", "b /.well-known/acme-challenge/token"}, {"tls.test", "/.well-known/acme-challenge/other", "308 https://tls.test/.well-known/acme-challenge/other"},
		{"nosecret.test", "/x", "308 https://nosecret.test/x"}, {"plain.test", "/x", "a /x"}, {"off.test", "/x", "a /x"}, {"force.test", "/x", "308 https://force.test/x"}, {"keep.test", "/x/", "308 https://keep.test/x/"},
		{"one.test", "/a/?b", "308 http://www.one.test:" + port + "/a/?b"}, {"one.test", "/a/", "308 http://www.one.test:" + port + "/a"}, {"www.one.test", "/", "a /"}, {"www.two.test", "/x", "308 http://two.test:" + port + "/x"}, {"two.test", "/", "a /"}, {"www.three.test", "/", "b /"}, {"three.test", "/", "a /"}, {"www.plain.test", "/", "404"},
		{"perm.test", "/any?y=2", "301 https://new.test/path?x=1"}, {"permcode.test", "/", "308 https://new.test"}, {"permbad.test", "/", "301 https://new.test"}, {"permpath.test", "/x", "301 http://permpath.test/moved"}, {"permrel.test", "/x", "301 /moved"},
		{"temp.test", "/", "302 https://temp.test/x"}, {"tempcode.test", "/", "307 https://temp.test/x"}, {"temppath.test", "/", "a /"},
		{"guarded.test", "/x", "308 https://guarded.test/x"}, {"guarded2.test", "/x", "301 https://new.test"},
	})
	r := s.send("POST", "tls.test", "/form", "a=b")
	if r.String() != "308 https://tls.test/form" || !strings.Contains(r.Body, "<h1>308 Permanent Redirect</h1>") || r.Header.Get("Content-Type") != "text/html" {
		t.Errorf("POST: %s, %q, %q", r, r.Header.Get("Content-Type"), r.Body)
	}
	if r := s.send("HEAD", "tls.test", "/x", ""); r.String() != "308 https://tls.test/x" || r.Body != "" {
		t.Errorf("HEAD: %s %q", r, r.Body)
	}
}

// TestCompatRedirectSettings is the same with the keys of the ConfigMap, edited at run time.
func TestCompatRedirectSettings(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "tls", host: "tls.test", paths: []string{"/", "/free Prefix a", "/slash/ Prefix a"}, secret: "-"}.String(),
		ing{name: "opted", host: "opted.test", paths: []string{"/"}, secret: "-", notes: []string{"ssl-redirect: false"}}.String(),
		ing{name: "plain", host: "plain.test", paths: []string{"/"}}.String())
	s.edit("settings", configMap("http-redirect-code: 301", "no-tls-redirect-locations: /free", "preserve-trailing-slash: true"))
	s.start("--https-port", "0")
	s.wantAll([]answerCase{{"tls.test", "/a/", "301 https://tls.test/a/"}, {"tls.test", "/free/x", "a /free/x"}, {"tls.test", "/.well-known/acme-challenge", "301 https://tls.test/.well-known/acme-challenge"}, {"plain.test", "/", "a /"}})
	s.edit("settings", configMap("force-ssl-redirect: true"))
	s.settle("plain.test", "/", "308 https://plain.test")
	s.wantAll([]answerCase{{"tls.test", "/a/", "308 https://tls.test/a"}, {"opted.test", "/", "308 https://opted.test"}})
	s.edit("settings", configMap("ssl-redirect: false", "relative-redirects: true", "http-redirect-code: 999"))
	s.settle("plain.test", "/", "a /")
	s.wantAll([]answerCase{{"tls.test", "/a/", "a /a/"}, {"tls.test", "/slash", "301 /slash/"}})
	s.logged("http-redirect-code", "999")
	s.edit("settings", configMap("use-forwarded-headers: true"))
	s.settle("tls.test", "/x", "308 https://tls.test/x")
	s.want("tls.test", "/x", "a /x", "X-Forwarded-Proto: https")
	s.want("tls.test", "/x", "308 https://front.test/x", "X-Forwarded-Host: front.test:80, other.test")
	s.want("tls.test", "/x", "308 https://tls.test/x", "X-Forwarded-Proto: http")
	s.want("tls.test", "/slash", "301 https://tls.test/slash/", "X-Forwarded-Proto: https")
	s.edit("settings", configMap("ssl-redirect: true"))
	s.settle("tls.test", "/x", "308 https://tls.test/x", "X-Forwarded-Proto: https")
	s.want("tls.test", "/x", "308 https://tls.test/x", "X-Forwarded-Host: front.test")
}
