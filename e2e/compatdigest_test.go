package e2e

import (
	"crypto/md5"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// TestCompatDigestAuth lets curl log in where auth-type is digest.
func TestCompatDigestAuth(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	s := newStage(t)
	s.echo("a")
	line := func(user, realm, password string) string {
		return fmt.Sprintf("%s:%s:%x", user, realm, md5.Sum([]byte(user+":"+realm+":"+password)))
	}
	guarded := func(name string, notes ...string) {
		s.add(ing{name: name, host: name + ".test", paths: []string{"/"}, notes: append([]string{"auth-type: digest"}, notes...)}.String())
	}
	guarded("file", "auth-secret: digests", "auth-realm: The Realm")
	guarded("map", "auth-secret: map", "auth-secret-type: auth-map", "auth-realm: The Realm")
	guarded("any", "auth-secret: digests", "auth-realm: The Realm", "satisfy: any", "whitelist-source-range: 192.0.2.0/24")
	guarded("norealm", "auth-secret: digests")
	guarded("basicfile", "auth-secret: passwords", "auth-realm: The Realm")
	s.add(secret("digests", "auth: "+line("alice", "The Realm", "secret")+"\n"+line("bob", "other", "secret")),
		secret("map", "carol: "+strings.TrimPrefix(line("carol", "The Realm", "secret"), "carol:")), secret("passwords", "auth: "+htpasswd))
	s.start()
	for _, c := range []struct{ host, login, want string }{
		{"file.test", "alice:secret", "200"}, {"file.test", "alice:Secret", "401"}, {"file.test", "bob:secret", "401"}, {"file.test", "nobody:secret", "401"},
		{"map.test", "carol:secret", "200"}, {"map.test", "alice:secret", "401"},
		{"any.test", "alice:secret", "200"}, {"any.test", "alice:wrong", "401"},
		{"norealm.test", "alice:secret", "503"}, {"basicfile.test", "alice:secret", "503"},
	} {
		for version, base := range map[string]string{"--http1.1": "http://" + s.gate.HTTP, "--http2": "https://" + s.gate.HTTPS} {
			out, err := exec.CommandContext(t.Context(), curl, "-q", "-sk", "--noproxy", "*", version, "--digest", "-u", c.login, "-H", "Host: "+c.host,
				"-w", "\n%{http_code}", base+"/x?a=b%20c").Output()
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(string(out), "\n")
			if got := lines[len(lines)-1]; got != c.want {
				t.Errorf("%s %s %s: %s, want %s", c.host, c.login, version, got, c.want)
			}
			var saw seen
			if c.want == "200" && (json.Unmarshal([]byte(lines[0]), &saw) != nil || saw.URI != "/x?a=b%20c" || saw.Header.Get("Authorization") != "") {
				t.Errorf("%s: the Service saw %s", c.host, lines[0])
			}
		}
	}
	s.want("file.test", "/", "401", basic("alice", "secret"))
	r := s.want("file.test", "/", "401")
	if v := r.Header.Get("WWW-Authenticate"); !strings.HasPrefix(v, `Digest realm="The Realm", qop="auth", algorithm=MD5, nonce="`) {
		t.Errorf("challenge %s", v)
	}
}
