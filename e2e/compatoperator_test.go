package e2e

import (
	"strings"
	"testing"
)

// TestCompatPrefixes reads annotations under their prefixes: ingress-nginx's or the flag's, and our own, which wins.
func TestCompatPrefixes(t *testing.T) {
	ours := func(lines ...string) string {
		return " annotations:\n" + strings.Join(lines, "")
	}
	note := func(prefix, line string) string { return pairs(prefix+"/", []string{line}) }
	build := func(t *testing.T) *stage {
		s := newStage(t)
		s.echo("a")
		for name, lines := range map[string][]string{
			"nginx":  {note("nginx.ingress.kubernetes.io", "permanent-redirect: https://nginx.test/")},
			"yett":   {note("yett.ingress.kubernetes.io", "permanent-redirect: https://yett.test/")},
			"both":   {note("nginx.ingress.kubernetes.io", "permanent-redirect: https://nginx.test/"), note("yett.ingress.kubernetes.io", "permanent-redirect: https://yett.test/")},
			"custom": {note("custom.io", "permanent-redirect: https://custom.test/")},
			"none":   {note("ingress.kubernetes.io", "permanent-redirect: https://old.test/"), note("nginx.org", "x: y")},
		} {
			s.add(ing{name: name, host: name + ".test", paths: []string{"/"}, more: ours(lines...)}.String())
		}
		return s
	}
	s := build(t)
	s.start()
	s.wantAll([]answerCase{{"nginx.test", "/", "301 https://nginx.test/"}, {"yett.test", "/", "301 https://yett.test/"}, {"both.test", "/", "301 https://yett.test/"}, {"custom.test", "/", "a /"}, {"none.test", "/", "a /"}})
	s = build(t)
	s.start("--annotations-prefix", "custom.io")
	s.wantAll([]answerCase{{"nginx.test", "/", "a /"}, {"yett.test", "/", "301 https://yett.test/"}, {"both.test", "/", "301 https://yett.test/"}, {"custom.test", "/", "301 https://custom.test/"}})
}

// TestCompatOperatorsRules are the keys by which an operator keeps tenants in bounds.
func TestCompatOperatorsRules(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(in("elsewhere", secret("users", "auth: alice:{PLAIN}secret")), secret("users", "auth: alice:{PLAIN}secret"))
	for _, i := range []ing{
		{name: "cross", host: "cross.test", paths: []string{"/"}, notes: []string{"auth-type: basic", "auth-secret: elsewhere/users"}},
		{name: "word", host: "word.test", paths: []string{"/"}, notes: []string{"permanent-redirect: https://x.test/secretword", "upstream-vhost: plain"}},
		{name: "wordguard", host: "wordguard.test", paths: []string{"/"}, notes: []string{"auth-type: basic", "auth-secret: users", "auth-realm: secretword"}},
		{name: "risk", host: "risk.test", paths: []string{"/"}, notes: []string{"auth-url: http://127.0.0.1:1/", "upstream-vhost: x"}},
		{name: "plain", host: "plain.test", paths: []string{"/"}},
	} {
		s.add(i.String())
	}
	s.edit("settings", configMap("ssl-redirect: true"))
	s.start()
	s.wantAll([]answerCase{{"cross.test", "/", "503"}, {"word.test", "/", "301 https://x.test/secretword"}, {"wordguard.test", "/", "401"}, {"risk.test", "/", "500"}})
	s.edit("settings", configMap("allow-cross-namespace-resources: true"))
	s.settle("cross.test", "/", "401")
	s.want("cross.test", "/", "a /", basic("alice", "secret"))
	s.edit("settings", configMap("annotation-value-word-blocklist: secretword,other"))
	s.settle("cross.test", "/", "503")
	s.wantAll([]answerCase{{"word.test", "/", "a /"}, {"wordguard.test", "/", "503"}, {"plain.test", "/", "a /"}})
	s.logged("default/word", "permanent-redirect")
	s.edit("settings", configMap("annotations-risk-level: Low"))
	s.settle("word.test", "/", "a /")
	s.settle("risk.test", "/", "503")
	s.wantAll([]answerCase{{"plain.test", "/", "a /"}, {"wordguard.test", "/", "503"}})
	s.edit("settings", configMap("annotations-risk-level: Sky")) // what is no level counts as the lowest
	s.logged("annotations-risk-level", "Sky")
	s.want("risk.test", "/", "503")
	// Without the ConfigMap the defaults hold.
	s.edit("settings", "")
	s.settle("word.test", "/", "301 https://x.test/secretword")
	s.want("risk.test", "/", "500")
}

// TestCompatCanaryOfTheCatchAll: a canary's defaultBackend is one of all routes without a host (nginx-compat section 2.1).
func TestCompatCanaryOfTheCatchAll(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	s.also("a", "path", "named")
	s.add(ing{name: "rest", fallback: "a", age: 9}.String(), ing{name: "hostless", paths: []string{"/path Prefix path"}, age: 9}.String(), ing{name: "named", host: "named.test", paths: []string{"/ Prefix named"}, age: 9}.String(),
		ing{name: "canary", fallback: "b", notes: []string{"canary: true", "canary-by-header: X-Canary"}}.String())
	s.start()
	s.wantAll([]answerCase{{"nobody.test", "/", "a /"}, {"nobody.test", "/path", "a /path"}, {"named.test", "/", "a /"}})
	s.want("nobody.test", "/", "b /", "X-Canary: always")
	s.want("nobody.test", "/path", "b /path", "X-Canary: always")
	s.want("named.test", "/", "a /", "X-Canary: always")
}

// TestCompatACMESolver is what cert-manager's HTTP-01 solver needs beside a guarded, redirected, limited regex host.
func TestCompatACMESolver(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b", "solver")
	const token = "/.well-known/acme-challenge/d-E_f.1x"
	s.add(secret("users", "auth: alice:{PLAIN}secret"),
		ing{name: "site", host: "site.test", paths: []string{"/(.*) ImplementationSpecific a"}, secret: "pending", age: 9, notes: []string{"auth-type: basic", "auth-secret: users", "rewrite-target: /$1", "limit-rpm: 1", "whitelist-source-range: 10.0.0.0/8", "use-regex: true"}}.String(),
		ing{name: "site-canary", host: "site.test", paths: []string{"/(.*) ImplementationSpecific b"}, notes: []string{"canary: true", "canary-weight: 100"}}.String())
	s.start()
	s.want("site.test", token, "308 https://site.test"+token)
	s.edit("solver", ing{name: "cm-acme-http-solver-x", host: "site.test", paths: []string{token + " Exact solver"}, class: "-", notes: []string{"whitelist-source-range: 0.0.0.0/0,::/0"}}.String())
	s.settle("site.test", token, "solver "+token)
	for range 12 {
		s.want("site.test", token, "solver "+token)
	}
	s.want("site.test", "/x", "308 https://site.test/x")
	if r := s.tls("site.test", token); r.String() != "solver "+token {
		t.Errorf("over https: %s", r)
	}
	if r := s.tls("site.test", "/x"); r.Status != 403 {
		t.Errorf("the site over https: %s", r)
	}
	s.edit("solver", "")
	s.settle("site.test", token, "308 https://site.test"+token)
}
