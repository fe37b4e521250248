package basicauth

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// hashOf is MD5 as digest authentication writes it.
func hashOf(parts ...string) string {
	return fmt.Sprintf("%x", md5.Sum([]byte(strings.Join(parts, ":"))))
}

// htdigestLine is a line as htdigest writes it.
func htdigestLine(user, realm, password string) string {
	return user + ":" + realm + ":" + hashOf(user, realm, password) + "\n"
}

// digestUsers are those of the tests.
var digestUsers = "# users\n" + htdigestLine("anna", "The Realm", "secret") + htdigestLine("anna", "The Realm", "second") + htdigestLine("bert", "other", "secret") +
	htdigestLine("jürgen", "The Realm", "ü:b") + htdigestLine(`we"i\rd`, "The Realm", "secret")

// buildDigest makes the filter.
func buildDigest(t testing.TB, env *filter.Env) *digestGuard {
	t.Helper()
	f, err := DigestSpec{Realm: "The Realm", Secret: "ns/users", Users: Credentials(digestUsers)}.New(env)
	if err != nil {
		t.Fatal(err)
	}
	return f.(*digestGuard)
}

// request is a GET for a target with these Authorization fields.
func request(target string, authorization ...string) *filter.Exchange {
	x := &filter.Exchange{Start: time.Now()}
	x.Request.Method, x.Request.Target, x.Request.Authority = "GET", target, "a.test"
	for _, v := range authorization {
		x.Request.Fields.Add("Authorization", v)
	}
	return x
}

// challengeOf returns the nonce that a filter asks for, and whether the last one was stale.
func challengeOf(t testing.TB, f filter.Filter, x *filter.Exchange) (nonce string, stale bool) {
	t.Helper()
	if f.Request(x) != filter.Done || x.Response.Status != 401 {
		t.Fatalf("status %d, want 401", x.Response.Status)
	}
	value := x.Response.Fields.Value(wire.WWWAuthenticate)
	rest, ok := strings.CutPrefix(value, `Digest realm="The Realm", qop="auth", algorithm=MD5, nonce="`)
	nonce, rest, _ = strings.Cut(rest, `"`)
	if !ok || len(nonce) != nonceBytes || rest != "" && rest != ", stale=true" {
		t.Fatalf("challenge %s", value)
	}
	return strings.Clone(nonce), rest != ""
}

// annas is a right answer of anna to a nonce, for a GET of /x?y.
func annas(nonce, nc string) string {
	response := hashOf(hashOf("anna", "The Realm", "secret"), nonce, nc, "c", "auth", hashOf("GET", "/x?y"))
	return fmt.Sprintf(`Digest username="anna", realm="The Realm", nonce="%s", uri="/x?y", qop=auth, nc=%s, cnonce="c", response="%s", algorithm=MD5`, nonce, nc, response)
}

func TestDigestLetsInWhoKnowsThePassword(t *testing.T) {
	f := buildDigest(t, newEnv())
	nonce, stale := challengeOf(t, f, request("/x?y"))
	if stale {
		t.Error("a first challenge is stale")
	}
	x := request("/x?y", annas(nonce, "00000001"))
	if f.Request(x) != filter.Continue || x.User != "anna" || x.Local {
		t.Fatalf("status %d, user %q", x.Response.Status, x.User)
	}
	for name, change := range map[string]func(string) string{
		"another user":             func(s string) string { return strings.Replace(s, `"anna"`, `"jürgen"`, 1) },
		"an unknown user":          func(s string) string { return strings.Replace(s, `"anna"`, `"root"`, 1) },
		"another realm":            func(s string) string { return strings.Replace(s, "The Realm", "other", 1) },
		"another URI":              func(s string) string { return strings.Replace(s, "/x?y", "/x", 1) },
		"an absolute URI":          func(s string) string { return strings.Replace(s, "/x?y", "http://a.test/x?y", 1) },
		"another count":            func(s string) string { return strings.Replace(s, "00000002", "00000003", 1) },
		"a count of zero":          func(s string) string { return strings.Replace(s, "00000002", "00000000", 1) },
		"a short count":            func(s string) string { return strings.Replace(s, "00000002", "2", 1) },
		"another client nonce":     func(s string) string { return strings.Replace(s, `"c"`, `"d"`, 1) },
		"no client nonce":          func(s string) string { return strings.Replace(s, `cnonce="c", `, "", 1) },
		"no count":                 func(s string) string { return strings.Replace(s, "nc=00000002, ", "", 1) },
		"no protection":            func(s string) string { return strings.Replace(s, "qop=auth, ", "", 1) },
		"another protection":       func(s string) string { return strings.Replace(s, "qop=auth", "qop=auth-int", 1) },
		"another algorithm":        func(s string) string { return strings.Replace(s, "MD5", "MD5-sess", 1) },
		"a hashed user":            func(s string) string { return s + ", userhash=true" },
		"two users":                func(s string) string { return s + `, username="anna"` },
		"a response in upper case": func(s string) string { i := strings.Index(s, "response"); return s[:i] + strings.ToUpper(s[i:]) },
		"an empty response":        func(s string) string { return s[:strings.Index(s, "response")] + `response=""` },
		"no closing quote":         func(s string) string { return strings.Replace(s, `uri="/x?y"`, `uri="/x?y`, 1) },
		"no comma":                 func(s string) string { return strings.Replace(s, `auth, nc`, `auth nc`, 1) },
		"another scheme":           func(s string) string { return strings.Replace(s, "Digest", "Basic", 1) },
		"nothing behind it":        func(string) string { return "Digest " },
		"basic credentials":        func(string) string { return basic("anna:secret") },
		"very long":                func(s string) string { return s + `, x="` + strings.Repeat("x", maxAnswerBytes) + `"` },
	} {
		t.Run(name, func(t *testing.T) {
			if _, stale := challengeOf(t, f, request("/x?y", change(annas(nonce, "00000002")))); stale {
				t.Error("a wrong answer is told that its nonce is stale")
			}
		})
	}
	standIn := strings.Replace(annas(nonce, "00000002"), `"anna"`, `"root"`, 1)
	standIn = standIn[:strings.Index(standIn, "response")] + "response=" + hashOf(nobody, nonce, "00000002", "c", "auth", hashOf("GET", "/x?y"))
	if _, stale := challengeOf(t, f, request("/x?y", standIn)); stale {
		t.Error("the hash that stands in for unknown users counts")
	}
	challengeOf(t, f, request("/other", annas(nonce, "00000002")))
	challengeOf(t, f, request("/x?y", annas(nonce, "00000002"), annas(nonce, "00000002")))
	post := request("/x?y", annas(nonce, "00000002"))
	post.Request.Method = "POST"
	challengeOf(t, f, post)
	if x := request("/x?y", annas(nonce, "00000002")); f.Request(x) != filter.Continue {
		t.Error("wrong answers have used the count up")
	}
}

func TestNoncesGrowStale(t *testing.T) {
	env := newEnv()
	f := buildDigest(t, env)
	nonce, _ := challengeOf(t, f, request("/x?y"))
	in := func(nonce, nc string, after time.Duration) bool {
		x := request("/x?y", annas(nonce, nc))
		x.Start = x.Start.Add(after)
		if f.Request(x) == filter.Continue {
			return true
		}
		if v := x.Response.Fields.Value(wire.WWWAuthenticate); !strings.HasSuffix(v, ", stale=true") {
			t.Errorf("count %s: %s", nc, v)
		}
		return false
	}
	for _, c := range []struct {
		nc    string
		after time.Duration
		want  bool
	}{
		{"00000002", 0, false}, // the first use is number 1
		{"00000001", 0, true}, {"00000001", 0, false},
		{"00000003", 0, true}, {"00000002", 0, true}, {"00000002", 0, false}, {"00000003", 0, false}, // one overtook another
		{"00000043", 0, true}, {"00000003", 0, false}, {"00000004", 0, true}, {"00000044", 0, true}, {"00000004", 0, false}, {"00000005", 0, true},
		{"00000100", 0, true}, {"00000050", 0, false},
		{"00000101", nonceLife - time.Minute, true}, {"00000102", nonceLife + time.Minute, false}, {"00000103", -time.Minute, false},
	} {
		if got := in(nonce, c.nc, c.after); got != c.want {
			t.Errorf("count %s after %v: %v", c.nc, c.after, got)
		}
	}
	forged := []byte(nonce)
	forged[3] ^= 1
	env.Route = &filter.Origin{Namespace: "ns", Ingress: "other", Path: "/"}
	other, _ := challengeOf(t, buildDigest(t, env), request("/x?y"))
	replica, _ := challengeOf(t, buildDigest(t, newEnv()), request("/x?y"))
	for name, nonce := range map[string]string{
		"of the client's own": "abc", "forged": string(forged), "of another Ingress": other, "of another replica": replica,
		"none": strings.Repeat("A", nonceBytes), "no base 64": strings.Repeat("!", nonceBytes),
	} {
		if in(nonce, "00000001", 0) {
			t.Errorf("a nonce %s lets in", name)
		}
	}
}

func TestQuotedNamesAreRead(t *testing.T) {
	f := buildDigest(t, newEnv())
	for user, password := range map[string]string{"jürgen": "ü:b", `we"i\rd`: "secret"} {
		nonce, _ := challengeOf(t, f, request("/"))
		response := hashOf(hashOf(user, "The Realm", password), nonce, "00000001", "c", "auth", hashOf("GET", "/"))
		x := request("/", fmt.Sprintf(`dIGEST Username = %s ,,	realm="The Realm",nonce="%s",uri="/",response=%s,qop="auth",nc=00000001,cnonce=c,opaque="x,=",`,
			quote(user), nonce, response))
		if f.Request(x) != filter.Continue || x.User != user {
			t.Errorf("%s: status %d, user %q", user, x.Response.Status, x.User)
		}
	}
}

func TestDigestChecksDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes crypto/rand allocate")
	}
	f := buildDigest(t, newEnv())
	x := request("/x?y")
	if n := testing.AllocsPerRun(100, func() { x.Arena.Reset(); f.Request(x) }); n != 0 {
		t.Errorf("a challenge makes %v allocations", n)
	}
	nonce, _ := challengeOf(t, f, request("/x?y"))
	if f.Request(request("/x?y", annas(nonce, "00000001"))) != filter.Continue {
		t.Fatal("not let in")
	}
	x = request("/x?y", annas(nonce, "00000002"))
	if n := testing.AllocsPerRun(100, func() { x.Arena.Reset(); f.Request(x) }); n != 0 {
		t.Errorf("an answer makes %v allocations", n)
	}
}

func TestHtdigestFiles(t *testing.T) {
	hash := strings.Repeat("0a", 16)
	for name, tt := range map[string]struct {
		text string
		want string // users, or what is wrong
	}{
		"one user":                    {"anna:r:" + hash, "map[anna:" + hash + "]"},
		"a realm with colons":         {"anna:r:r2:" + hash, "no line is for the realm"},
		"upper case, and a line end":  {"anna:r:" + strings.ToUpper(hash) + "\r\n\n # \n#x\n", "map[anna:" + hash + "] line 3 is no line"},
		"the first line counts":       {"anna:r:" + hash + "\nanna:r:" + strings.Repeat("1", 32), "map[anna:" + hash + "] line 2 names a user"},
		"another realm":               {"anna:s:" + hash, "no line is for the realm"},
		"an htpasswd file":            {"anna:{SHA}x\nbert:$apr1$x\n", "line 1 holds a password hash"},
		"no hash":                     {"anna:r:\nbert:r:x\ncleo:r\n", "line 1 has no hash"},
		"a hash that is no hex":       {"anna:r:" + strings.Repeat("x", 32), "line 1 has no hash"},
		"no user":                     {":r:" + hash, "line 1 has no user"},
		"a name with control":         {"a\x01:r:" + hash, "line 1 has a user name with control"},
		"a long line":                 {strings.Repeat("x", 5000), "line 1 is longer"},
		"nothing":                     {"", "nobody could log in"},
		"more than a Secret can hold": {strings.Repeat("x", maxFileBytes+1), "longer than 1 MiB"},
	} {
		users, mistakes, err := readDigestFile(tt.text, "r")
		got := ""
		if users != nil {
			got = fmt.Sprint(users)
		}
		for _, m := range mistakes {
			got += " " + m.String()
		}
		if err != nil {
			got += " " + err.Error()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// TestCurlLogsIn lets curl answer, which has an implementation of its own.
func TestCurlLogsIn(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	f := buildDigest(t, newEnv())
	var users []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := request(r.RequestURI, r.Header["Authorization"]...)
		x.Request.Method = r.Method
		if f.Request(x) != filter.Continue {
			w.Header().Set("WWW-Authenticate", strings.Clone(x.Response.Fields.Value(wire.WWWAuthenticate)))
			w.WriteHeader(x.Response.Status)
			return
		}
		users = append(users, strings.Clone(x.User))
	}))
	defer server.Close()
	for login, want := range map[string]string{
		"anna:secret": "200 200 ", "jürgen:ü:b": "200 200 ", `we"i\rd:secret`: "200 200 ",
		"anna:second": "401 401 ", "bert:secret": "401 401 ", "nobody:secret": "401 401 ", "anna:": "401 401 ",
	} {
		var out, log bytes.Buffer
		cmd := exec.CommandContext(t.Context(), curl, "-q", "-s", "-o", "/dev/null", "--noproxy", "*", "--digest", "-u", login, "-w", "%{http_code} ",
			server.URL+"/x?a=b&c=%20", "-o", "/dev/null", server.URL+"/x?a=b&c=%20")
		cmd.Stdout, cmd.Stderr = &out, &log
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %s", err, log.String())
		}
		if out.String() != want {
			t.Errorf("%s: %s, want %s", login, out.String(), want)
		}
	}
	if len(users) != 6 {
		t.Errorf("let in: %q", users)
	}
}

func FuzzDigestAnswer(f *testing.F) {
	f.Add(strings.TrimPrefix(annas(strings.Repeat("A", nonceBytes), "00000001"), "Digest "))
	f.Add(`username="a\"b\\", realm=x, uri="\`)
	f.Add(`=,,"=`)
	f.Fuzz(func(t *testing.T, text string) {
		a, ok := parseAnswer(text, new(wire.Arena))
		if ok && (a.count == 0 || len(a.response) != ha1Bytes || a.cnonce == "" || len(a.nc) != 8 || len(a.username) > len(text)) {
			t.Errorf("%q gives %+v", text, a)
		}
	})
}

func FuzzHtdigest(f *testing.F) {
	f.Add(digestUsers, "The Realm")
	f.Add("a:b:c:"+strings.Repeat("0", 32)+"\r\n:\n", "b:c")
	f.Fuzz(func(t *testing.T, text, realm string) {
		users, _, err := readDigestFile(text, realm)
		if (err == nil) != (len(users) > 0) {
			t.Errorf("%d users, error %v", len(users), err)
		}
		for name, hash := range users {
			if name == "" || hasControl(name) || len(hash) != ha1Bytes || strings.Contains(name, ":") {
				t.Errorf("%q has hash %q", name, hash)
			}
		}
	})
}
