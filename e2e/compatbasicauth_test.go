package e2e

import (
	"encoding/base64"
	"strings"
	"testing"
)

// htpasswd has "secret" as everybody's password, hashed in all formats. The second alice does not count.
const htpasswd = `alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
ssha:{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0
apr1:$apr1$abcdefgh$h9FWgUz3n9YxylKLlR5SQ/
md5:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1
sha256:$5$abcdefgh$gruCpC7VkOTspMQTTSAR8mtlO9Upms.fwqE5y16JVM.
sha512:$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.
crypt:abNANd1rDfiNc
bcrypt:$2a$04$2iUBeS1wAWj0Wqm8QWuhOelIB0fOqEV0OwKb9hCXSGQgOgDt6QyEa
bcrypty:$2y$04$2iUBeS1wAWj0Wqm8QWuhOelIB0fOqEV0OwKb9hCXSGQgOgDt6QyEa
plain:{PLAIN}secret
# nobody:{PLAIN}secret
broken
nothing:
alice:{PLAIN}other
`

// basic is an Authorization field.
func basic(user, password string) string {
	return "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// TestCompatBasicAuth is nginx-compat section 3.7.
func TestCompatBasicAuth(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	guarded := func(name string, notes ...string) {
		s.add(ing{name: name, host: name + ".test", paths: []string{"/"}, notes: append([]string{"auth-type: basic"}, notes...)}.String())
	}
	guarded("file", "auth-secret: file", "auth-realm: The Realm")
	guarded("full", "auth-secret: default/file")
	guarded("map", "auth-secret: map", "auth-secret-type: auth-map")
	guarded("nosecret", "auth-secret: nobody")
	guarded("other", "auth-secret: elsewhere/file")
	guarded("unnamed")
	guarded("nokey", "auth-secret: map")
	guarded("badtype", "auth-secret: file", "auth-secret-type: auth-list")
	guarded("empty", "auth-secret: empty")
	guarded("odd", "auth-secret: odd")
	s.add(ing{name: "digest", host: "digest.test", paths: []string{"/"}, notes: []string{"auth-type: digest", "auth-secret: file"}}.String(),
		ing{name: "bad", host: "bad.test", paths: []string{"/"}, notes: []string{"auth-type: bascic", "auth-secret: file"}}.String(),
		ing{name: "acme", host: "file.test", paths: []string{"/.well-known/acme-challenge/t Exact b"}, notes: []string{"whitelist-source-range: 0.0.0.0/0,::/0"}}.String())
	elsewhere := strings.Replace(secret("file", "auth: "+htpasswd), "name: file", "name: file, namespace: elsewhere", 1)
	s.add(secret("file", "auth: "+htpasswd), secret("map", "bob: {PLAIN}secret", "carol.x-y_z: {SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="), secret("empty", "auth: "), elsewhere,
		secret("odd", "auth: \ufeff\r\nwin:{PLAIN}secret\r\nümlaut:{PLAIN}pässword\r\n"))
	s.start()
	for line := range strings.Lines(htpasswd) {
		user, hash, _ := strings.Cut(strings.TrimSpace(line), ":")
		if strings.HasPrefix(user, "#") || hash == "" || strings.HasSuffix(hash, "other") {
			continue
		}
		r := s.want("file.test", "/x", "a /x", basic(user, "secret"))
		if r.Seen != nil && r.Seen.Header.Get("Authorization") != "" {
			t.Errorf("%s: the backend saw %q", user, r.Seen.Header.Get("Authorization"))
		}
		for _, wrong := range []string{"", "Secret", "secret ", hash, "secre", "secretx"} {
			s.want("file.test", "/x", "401", basic(user, wrong))
		}
	}
	for _, field := range []string{
		basic("alice", "other"), basic("ALICE", "secret"), basic("nobody", "secret"), basic("# nobody", "secret"), basic("broken", ""), basic("nothing", ""), basic("", "secret"), basic("alice\x00", "secret"), basic("alice", "secret\x00x"),
		"Authorization: Basic", "Authorization: Basic !!!", "Authorization: Bearer " + strings.TrimPrefix(basic("alice", "secret"), "Authorization: Basic "), "Authorization: Basic YWxpY2U=", "Authorization: ",
		"X-Authorization: " + basic("alice", "secret"), "authorization:Basic",
	} {
		s.want("file.test", "/x", "401", field)
	}
	s.want("file.test", "/x", "a /x", strings.Replace(basic("alice", "secret"), "Basic", "bAsIc", 1))
	r := s.want("file.test", "/x", "401")
	if r.Header.Get("WWW-Authenticate") != `Basic realm="The Realm"` || !strings.Contains(r.Body, "<h1>401 Authorization Required</h1>") {
		t.Errorf("challenge %q, page %q", r.Header.Get("WWW-Authenticate"), r.Body)
	}
	if r := s.want("full.test", "/", "401"); r.Header.Get("WWW-Authenticate") != `Basic realm=""` {
		t.Errorf("challenge without realm %q", r.Header.Get("WWW-Authenticate"))
	}
	s.want("full.test", "/", "a /", basic("alice", "secret"))
	s.want("map.test", "/", "a /", basic("bob", "secret"))
	s.want("map.test", "/", "a /", basic("carol.x-y_z", "secret"))
	s.want("map.test", "/", "401", basic("alice", "secret"))
	s.want("odd.test", "/", "a /", basic("win", "secret"))
	s.want("odd.test", "/", "a /", basic("ümlaut", "pässword"))
	for _, host := range []string{"nosecret", "other", "unnamed", "nokey", "badtype", "empty", "digest", "bad"} {
		s.want(host+".test", "/", "503", basic("alice", "secret"))
		s.logged("default/" + host)
	}
	s.want("file.test", "/.well-known/acme-challenge/t", "b /.well-known/acme-challenge/t")
	if strings.Contains(s.gate.Log(), "5en6G6MezRroT3XKqkdPOmY") || strings.Contains(s.gate.Log(), "{PLAIN}") {
		t.Error("the log shows a password")
	}
	if r := s.send("OPTIONS", "file.test", "/", ""); r.Status != 401 {
		t.Errorf("OPTIONS: %s", r)
	}
}

// TestCompatBasicAuthSecretAtRunTime edits, removes and brings back the Secret.
func TestCompatBasicAuthSecretAtRunTime(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "x", host: "x.test", paths: []string{"/"}, notes: []string{"auth-type: basic", "auth-secret: users"}}.String())
	s.edit("users", secret("users", "auth: alice:$2a$04$2iUBeS1wAWj0Wqm8QWuhOelIB0fOqEV0OwKb9hCXSGQgOgDt6QyEa"))
	s.start()
	s.want("x.test", "/", "a /", basic("alice", "secret"))
	s.edit("users", secret("users", "auth: alice:{PLAIN}fresh"))
	s.settle("x.test", "/", "a /", basic("alice", "fresh"))
	s.want("x.test", "/", "401", basic("alice", "secret"))
	s.edit("users", secret("users", "auth: bob:{PLAIN}fresh"))
	s.settle("x.test", "/", "401", basic("alice", "fresh"))
	s.want("x.test", "/", "a /", basic("bob", "fresh"))
	s.edit("users", "")
	s.settle("x.test", "/", "503", basic("bob", "fresh"))
	s.edit("users", secret("users", "auth: bob:{PLAIN}fresh"))
	s.settle("x.test", "/", "a /", basic("bob", "fresh"))
	s.edit("users", strings.Replace(secret("users", "auth: x"), "stringData:\n", "data: {auth: '%%%'}\nstringData:\n", 1))
	s.logged("users.yaml")
	s.want("x.test", "/", "a /", basic("bob", "fresh"))
}
