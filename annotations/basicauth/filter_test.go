package basicauth

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// newEnv is the environment of a route.
func newEnv() *filter.Env {
	return &filter.Env{
		State: filter.NewState(), Context: context.Background(),
		Route: &filter.Origin{Namespace: "ns", Ingress: "ing", Path: "/"},
	}
}

// build makes the filter for a file.
func build(t testing.TB, env *filter.Env, file string) filter.Filter {
	t.Helper()
	f, err := Spec{Realm: "r", Secret: "ns/users", Users: Credentials(file)}.New(env)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// basic is the value of Authorization for a user and a password.
func basic(credentials string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(credentials))
}

// ask sends a request with these Authorization fields through a filter, and returns the status, or 0 if it went on.
func ask(f filter.Filter, authorization ...string) (status int, x *filter.Exchange) {
	x = &filter.Exchange{Start: time.Now()}
	for _, v := range authorization {
		x.Request.Fields.Add("Authorization", v)
	}
	if f.Request(x) == filter.Continue {
		return 0, x
	}
	return x.Response.Status, x
}

func TestWhoGetsIn(t *testing.T) {
	f := build(t, newEnv(), "anna:{PLAIN}a:b\nbert:"+hashes["htpasswd -s"]+"\ncleo:"+hashes["bcrypt 2b"]+"\nempty:{PLAIN}\njürgen:{PLAIN}ü")
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, c := range map[string]struct {
		authorization []string
		user          string // "" for nobody
	}{
		"no credentials":                 {nil, ""},
		"right":                          {[]string{basic("bert:secret")}, "bert"},
		"right, bcrypt":                  {[]string{basic("cleo:secret")}, "cleo"},
		"scheme in any case":             {[]string{"bASIC " + b64("bert:secret")}, "bert"},
		"several spaces":                 {[]string{"Basic    " + b64("bert:secret")}, "bert"},
		"UTF-8":                          {[]string{basic("jürgen:ü")}, "jürgen"},
		"no padding":                     {[]string{"Basic " + strings.TrimRight(b64("bert:secret"), "=")}, "bert"},
		"an empty password":              {[]string{basic("empty:")}, "empty"},
		"a wrong password":               {[]string{basic("bert:Secret")}, ""},
		"an unknown user":                {[]string{basic("root:secret")}, ""},
		"another's password":             {[]string{basic("cleo:a:b")}, ""},
		"no colon":                       {[]string{basic("bert")}, ""},
		"no user":                        {[]string{basic(":secret")}, ""},
		"the hash for a password":        {[]string{basic("bert:" + hashes["htpasswd -s"])}, ""},
		"the text {PLAIN} in a password": {[]string{basic("empty:{PLAIN}")}, ""},
		"a zero behind the password":     {[]string{basic("bert:secret\x00")}, ""},
		"a zero, bcrypt":                 {[]string{basic("cleo:secret\x00secret")}, ""},
		"a control in the user":          {[]string{basic("bert\n:secret")}, ""},
		"bits behind the end":            {[]string{"Basic " + strings.TrimRight(b64("bert:secret1"[:10]), "=") + "x"}, ""},
		"too much padding":               {[]string{"Basic " + strings.TrimRight(b64("bert:secret"), "=") + "==="}, ""},
		"base 64 for URLs":               {[]string{"Basic " + base64.URLEncoding.EncodeToString([]byte("jürgen:ü\xff\xfe"))}, ""},
		"a space in the token":           {[]string{"Basic " + b64("bert:secret")[:8] + " " + b64("bert:secret")[8:]}, ""},
		"text behind the token":          {[]string{basic("bert:secret") + ", Basic x"}, ""},
		"no token":                       {[]string{"Basic "}, ""},
		"the scheme alone":               {[]string{"Basic"}, ""},
		"another scheme":                 {[]string{"Bearer " + b64("bert:secret")}, ""},
		"a scheme that begins the same":  {[]string{"Basically " + b64("bert:secret")}, ""},
		"two fields, the first right":    {[]string{basic("bert:secret"), basic("anna:x")}, ""},
		"two fields, the last right":     {[]string{basic("anna:x"), basic("bert:secret")}, ""},
		"two equal fields":               {[]string{basic("bert:secret"), basic("bert:secret")}, ""},
		"a very long password":           {[]string{basic("bert:" + strings.Repeat("x", 20<<10))}, ""},
		"a very long user":               {[]string{basic(strings.Repeat("x", 300) + ":x")}, ""},
		"a colon in the password":        {[]string{basic("anna:a:b")}, ""}, // the file's password ends at the colon
		"the file's password":            {[]string{basic("anna:a")}, "anna"},
	} {
		t.Run(name, func(t *testing.T) {
			status, x := ask(f, c.authorization...)
			if c.user != "" {
				if status != 0 || x.User != c.user {
					t.Errorf("status %d, user %q; want %q in", status, x.User, c.user)
				}
				return
			}
			if status != 401 || x.User != "" {
				t.Fatalf("status %d, user %q; want 401", status, x.User)
			}
			if got := x.Response.Fields.Value(wire.WWWAuthenticate); got != `Basic realm="r"` {
				t.Errorf("WWW-Authenticate: %s", got)
			}
			if !strings.Contains(x.Body, "401 Authorization Required") {
				t.Errorf("body %q", x.Body)
			}
		})
	}
}

func TestRealmIsQuoted(t *testing.T) {
	for realm, want := range map[string]string{"": `Basic realm=""`, `a "b" \c`: `Basic realm="a \"b\" \\c"`} {
		f, err := Spec{Realm: realm, Users: "a:{PLAIN}b"}.New(newEnv())
		if err != nil {
			t.Fatal(err)
		}
		_, x := ask(f)
		if got := x.Response.Fields.Value(wire.WWWAuthenticate); got != want {
			t.Errorf("WWW-Authenticate: %s, want %s", got, want)
		}
	}
}

func TestServicesDoNotSeeCredentials(t *testing.T) {
	f, err := Conceal{}.New(newEnv())
	if err != nil {
		t.Fatal(err)
	}
	status, x := ask(f, basic("a:b"))
	if v, ok := x.Overrides.Find("authorization"); status != 0 || !ok || v != "" {
		t.Errorf("status %d, override %q, %v", status, v, ok)
	}
	if !x.Request.Fields.Has(wire.Authorization) {
		t.Error("filters that run later cannot see the field")
	}
	if (Conceal{}).Phase() >= (Spec{}).Phase() {
		t.Error("it runs too late: external authentication may want to set the field")
	}
}

func TestExceptedPathsAreOpenButSatisfyNobody(t *testing.T) {
	const except = "/.well-known/acme-challenge,/health"
	for path, want := range map[string]bool{
		"/":                             false,
		"/.well-known":                  false,
		"/.well-known/acme-challenge/x": true,
		"/health":                       true,
		"/api/health":                   false,
	} {
		env := newEnv()
		env.Route.Path = path
		f, err := Spec{Users: "a:{PLAIN}b", Except: except}.New(env)
		if err != nil {
			t.Fatal(err)
		}
		g, err := Conceal{Except: except}.New(env)
		if err != nil {
			t.Fatal(err)
		}
		status, _ := ask(f)
		_, isAccess := f.(filter.AccessFilter)
		_, x := ask(g, basic("a:b"))
		if (status == 0) != want || isAccess == want || (x.Overrides.Len() == 0) != want {
			t.Errorf("%s: status %d, access filter %v, overrides %d; want open %v", path, status, isAccess, x.Overrides.Len(), want)
		}
	}
}

func TestUsersThatNobodyCanReadBuildNoFilter(t *testing.T) {
	if f, err := (Spec{Secret: "ns/users", Users: "nonsense"}).New(newEnv()); err == nil {
		t.Errorf("built %T", f)
	}
}

// TestUnknownUsersAreCheckedLikeKnownOnes closes the gate, so that whoever needs an expensive check is turned away: the known
// user and the unknown one alike.
func TestUnknownUsersAreCheckedLikeKnownOnes(t *testing.T) {
	f := build(t, newEnv(), "cleo:"+hashes["htpasswd -B"]+"\ndora:"+hashes["bcrypt 2a"]).(*guard)
	for range cap(f.gate.slots) {
		f.gate.slots <- struct{}{}
	}
	f.queue.Store(maxWaiting)
	for _, user := range []string{"cleo", "dora", "nobody", "root", "admin"} {
		if status, _ := ask(f, basic(user+":wrong")); status != 503 {
			t.Errorf("%s: status %d: there was no check", user, status)
		}
	}
}

// TestTimeDoesNotTellWhoExists compares how long wrong passwords take. The difference that matters is between
// milliseconds and nothing, so a noisy machine can be told from a leak.
func TestTimeDoesNotTellWhoExists(t *testing.T) {
	f := build(t, newEnv(), "cleo:"+hashes["htpasswd -B"])
	took := map[string][]time.Duration{}
	for range 20 {
		for _, user := range []string{"cleo", "nobody"} {
			start := time.Now()
			if status, _ := ask(f, basic(user+":wrong")); status != 401 {
				t.Fatalf("status %d", status)
			}
			took[user] = append(took[user], time.Since(start))
		}
	}
	known, unknown := slices.Min(took["cleo"]), slices.Min(took["nobody"])
	if ratio := float64(unknown) / float64(known); ratio < 0.3 || ratio > 3 {
		t.Errorf("a known user takes %v, an unknown one %v", known, unknown)
	}
}

func TestRightPasswordsAreRememberedWrongOnesAreNot(t *testing.T) {
	env := newEnv()
	f := build(t, env, "cleo:"+hashes["bcrypt 2b"]).(*guard)
	for _, c := range []string{"cleo:wrong", "nobody:secret", "nobody:wrong"} {
		ask(f, basic(c))
	}
	if n := f.memory.table.Len(); n != 0 {
		t.Errorf("%d wrong passwords are remembered", n)
	}
	for range 2 {
		if status, _ := ask(f, basic("cleo:secret")); status != 0 || f.memory.table.Len() != 1 {
			t.Errorf("status %d, %d remembered", status, f.memory.table.Len())
		}
	}
	// A slot that never becomes free shows that nothing is checked any more.
	for range cap(f.gate.slots) {
		f.gate.slots <- struct{}{}
	}
	x := &filter.Exchange{Start: time.Now()}
	x.Request.Fields.Add("Authorization", basic("cleo:secret"))
	if f.Request(x) != filter.Continue {
		t.Error("a remembered password is checked again")
	}
	d := f.memory.digest("cleo", "secret", hashes["bcrypt 2b"])
	if f.memory.knows(d, time.Now().Add(rememberFor+time.Second)) {
		t.Error("passwords are remembered for ever")
	}
	env.State.Advance()
	if g := build(t, env, "cleo:"+hashes["bcrypt 2b"]).(*guard); g.memory != f.memory {
		t.Error("a new table forgets")
	}
}

func TestChangedHashesForgetPasswords(t *testing.T) {
	env := newEnv()
	before := build(t, env, "cleo:"+hashes["bcrypt 2b"])
	if status, _ := ask(before, basic("cleo:secret")); status != 0 {
		t.Fatalf("status %d", status)
	}
	after := build(t, env, "cleo:$2y$04$abcdefghijklmnopqrstuu5XQl64I3WPWSJw.ftK7xXCrRn1r6QJi")
	if status, _ := ask(after, basic("cleo:secret")); status != 401 {
		t.Errorf("the old password: status %d", status)
	}
	if status, _ := ask(after, basic("cleo:changed")); status != 0 {
		t.Errorf("the new password: status %d", status)
	}
}

func TestDigestsTellTriplesApart(t *testing.T) {
	m := newMemory()
	seen := map[digest][3]string{}
	for _, c := range [][3]string{
		{"a", "bc", "h"}, {"ab", "c", "h"}, {"abc", "", "h"}, {"", "abc", "h"}, {"a", "b", "ch"}, {"a", "bch", ""}, {"a:b", "c", "h"},
		{"a", "b:c", "h"}, {strings.Repeat("a", 600), "b", "c"}, {strings.Repeat("a", 601), "", "c"},
	} {
		d := m.digest(c[0], c[1], c[2])
		if other, ok := seen[d]; ok {
			t.Errorf("%q and %q have the same digest", c, other)
		}
		seen[d] = c
		if d != m.digest(c[0], c[1], c[2]) {
			t.Errorf("%q has two digests", c)
		}
		if d == newMemory().digest(c[0], c[1], c[2]) {
			t.Errorf("the digest of %q is the same in every process", c)
		}
	}
}

// TestConcurrentLoginsDoNotMix has many users log in at once, with right and with swapped passwords.
func TestConcurrentLoginsDoNotMix(t *testing.T) {
	f := build(t, newEnv(), "ab:{PLAIN}c\na:{PLAIN}bc\ncleo:"+hashes["bcrypt 2b"]+"\ndora:"+hashes["openssl passwd -1"])
	want := map[string]bool{
		"ab:c": true, "a:bc": true, "ab:bc": false, "a:c": false, "cleo:secret": true, "dora:secret": true, "cleo:c": false, "cle:osecret": false,
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				for c, ok := range want {
					if status, _ := ask(f, basic(c)); (status == 0) != ok {
						t.Errorf("%s: status %d", c, status)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{slots: make(chan struct{}, 1)}
		var mine, other atomic.Int32
		if !g.enter(t.Context(), &mine) {
			t.Fatal("an empty gate is closed")
		}
		results := make(chan bool, 2*maxWaiting)
		for range maxWaiting {
			go func() { results <- g.enter(t.Context(), &mine) }()
		}
		synctest.Wait()
		if g.enter(t.Context(), &mine) {
			t.Error("one more may wait")
		}
		if mine.Load() != maxWaiting || g.waiting.Load() != maxWaiting {
			t.Errorf("%d and %d wait, want %d", mine.Load(), g.waiting.Load(), maxWaiting)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { results <- g.enter(ctx, &other) }() // another Ingress may still wait
		synctest.Wait()
		if other.Load() != 1 {
			t.Error("another Ingress is shut out")
		}
		cancel()
		if <-results {
			t.Error("a stopped proxy lets in")
		}
		g.leave()
		if !<-results {
			t.Error("a free place is not taken")
		}
		time.Sleep(maxWait + time.Second)
		synctest.Wait()
		for range maxWaiting - 1 {
			if <-results {
				t.Error("who waited too long gets in")
			}
		}
		if mine.Load() != 0 || g.waiting.Load() != 0 {
			t.Errorf("%d and %d wait, want nobody", mine.Load(), g.waiting.Load())
		}
	})
}

func TestOverloadAnswers503(t *testing.T) {
	f := build(t, newEnv(), "cleo:"+hashes["bcrypt 2b"]).(*guard)
	for range cap(f.gate.slots) {
		f.gate.slots <- struct{}{}
	}
	f.queue.Store(maxWaiting)
	if status, _ := ask(f, basic("cleo:secret")); status != 503 {
		t.Errorf("status %d, want 503", status)
	}
}

func TestCheapChecksDoNotAllocate(t *testing.T) {
	f := build(t, newEnv(), "bert:"+hashes["htpasswd -s"]+"\ncleo:"+hashes["bcrypt 2b"]+"\nanna:{PLAIN}a")
	for _, c := range []string{"bert:secret", "anna:a", "cleo:secret", "anna:wrong"} {
		_, x := ask(f, basic(c))
		if n := testing.AllocsPerRun(100, func() { x.Arena.Reset(); f.Request(x) }); n != 0 {
			t.Errorf("%s: %v allocations", c, n)
		}
	}
}

func BenchmarkGuard(b *testing.B) {
	f := build(b, newEnv(), "bert:"+hashes["htpasswd -s"]+"\ncleo:"+hashes["bcrypt 2b"])
	for name, c := range map[string]string{"sha": "bert:secret", "remembered": "cleo:secret"} {
		b.Run(name, func(b *testing.B) {
			_, x := ask(f, basic(c))
			b.ReportAllocs()
			for b.Loop() {
				x.Arena.Reset()
				f.Request(x)
			}
		})
	}
}

func FuzzCredentials(f *testing.F) {
	f.Add("Basic dXNlcjpzZWNyZXQ=")
	f.Add("basic  dXNlcjpzZWNyZXQ")
	f.Add("Basic ====")
	f.Fuzz(func(t *testing.T, value string) {
		x := new(filter.Exchange)
		x.Request.Fields.Add("Authorization", value)
		user, password, ok := credentials(x)
		if !ok {
			return
		}
		// One user and password have one spelling, apart from scheme, spaces and padding.
		token := strings.TrimRight(strings.TrimLeft(value[len("basic "):], " "), "=")
		if want := base64.RawStdEncoding.EncodeToString([]byte(user + ":" + password)); token != want {
			t.Errorf("%q is read as %q, which is %q", value, user+":"+password, want)
		}
		if user == "" || strings.Contains(user, ":") || hasControl(user) || len(password) > maxPasswordBytes {
			t.Errorf("%q is read as %q", value, user+":"+password)
		}
	})
}
