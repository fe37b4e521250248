package jwt

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// upstreamSees returns the value that the Service gets to see of a field.
func upstreamSees(x *filter.Exchange, name string) string {
	if v, ok := x.Overrides.Find(name); ok {
		return v
	}
	v, _ := x.Request.Fields.Find(name)
	return v
}

func TestWhereTokensAre(t *testing.T) {
	good := signed("ES256", good(""))
	bad := signed("ES256", `{}`)
	g := newGate(t, newEnv(t), annotations{headersKey: "Authorization Bearer, X-Token", paramsKey: "token, t", cookiesKey: "session"})
	for name, c := range map[string]struct {
		target string
		fields []string
		want   int
		// target and Cookie as the Service sees them, if the request goes on.
		sent, cookie string
	}{
		"nowhere":                    {"/", nil, 401, "", ""},
		"in Authorization":           {"/a?b=c", []string{"Authorization", "Bearer " + good}, 0, "", ""},
		"in another field":           {"/", []string{"x-token", good}, 0, "", ""},
		"beside a password":          {"/", []string{"Authorization", "Basic eDp5", "X-Token", good}, 0, "", ""},
		"in a parameter":             {"/a?b=c&token=" + good + "&d", nil, 0, "/a?b=c&d", ""},
		"in the only parameter":      {"/a?t=" + good, nil, 0, "/a", ""},
		"in a parameter like it":     {"/?tokens=" + good, nil, 401, "", ""},
		"in a parameter, encoded":    {"/?token=" + strings.Replace(good, ".", "%2E", 1), nil, 401, "", ""},
		"in a cookie":                {"/", []string{"Cookie", "a=b; session=" + good + "; c=d"}, 0, "", "a=b; c=d"},
		"in the only cookie":         {"/", []string{"Cookie", "session=" + good}, 0, "", ""},
		"in a second Cookie field":   {"/", []string{"Cookie", "a=b", "Cookie", "session=" + good}, 0, "", "a=b"},
		"in a cookie like it":        {"/", []string{"Cookie", "Session=" + good}, 401, "", ""},
		"twice in Authorization":     {"/", []string{"Authorization", "Bearer " + good, "Authorization", "Bearer " + good}, 401, "", ""},
		"beside a password in front": {"/", []string{"Authorization", "Basic eDp5", "Authorization", "Bearer " + good}, 401, "", ""},
		"beside a password behind":   {"/", []string{"Authorization", "Bearer " + good, "Authorization", "Basic eDp5"}, 401, "", ""},
		"in two fields":              {"/", []string{"Authorization", "Bearer " + good, "X-Token", bad}, 401, "", ""},
		"in field and parameter":     {"/?token=" + bad, []string{"Authorization", "Bearer " + good}, 401, "", ""},
		"in field and cookie":        {"/", []string{"Authorization", "Bearer " + good, "Cookie", "session=" + bad}, 401, "", ""},
		"in two parameters":          {"/?token=" + good + "&token=" + bad, nil, 401, "", ""},
		"in two cookies":             {"/", []string{"Cookie", "session=" + good + "; session=" + bad}, 401, "", ""},
		"without a scheme":           {"/", []string{"Authorization", good}, 401, "", ""},
		"under another scheme":       {"/", []string{"Authorization", "Bearers " + good}, 401, "", ""},
		"with a tab":                 {"/", []string{"Authorization", "Bearer\t" + good}, 401, "", ""},
		"the scheme alone":           {"/", []string{"Authorization", "Bearer"}, 401, "", ""},
		"an empty field":             {"/", []string{"X-Token", ""}, 401, "", ""},
		"a parameter without value":  {"/?token", nil, 401, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			x := featuretest.Exchange("GET", c.target, c.fields...)
			if got := g.ask(x); got != c.want {
				t.Fatalf("%d, want %d", got, c.want)
			}
			challenge := x.Response.Fields.Value(wire.WWWAuthenticate)
			if c.want == 401 && !strings.HasPrefix(challenge, "Bearer ") {
				t.Errorf("WWW-Authenticate: %q", challenge)
			}
			if c.want != 0 {
				return
			}
			if v := upstreamSees(x, "Authorization"); strings.Contains(v, good) || upstreamSees(x, "X-Token") != "" {
				t.Errorf("the Service sees Authorization %q, X-Token %q", v, upstreamSees(x, "X-Token"))
			}
			if name == "beside a password" && upstreamSees(x, "Authorization") != "Basic eDp5" {
				t.Errorf("the Service does not see the password")
			}
			if x.Target != c.sent || upstreamSees(x, "Cookie") != c.cookie {
				t.Errorf("the Service sees %q and Cookie %q, want %q and %q", x.Target, upstreamSees(x, "Cookie"), c.sent, c.cookie)
			}
		})
	}
}

func TestRewrittenTargetsLoseTheTokenToo(t *testing.T) {
	f := featuretest.Build(Strip{&Places{Params: []string{"token"}}}, newEnv(t))
	x := featuretest.Exchange("GET", "/old?token=x&a=b")
	x.Target = "/new?c=d&token=x&a=b"
	if f.Request(x); x.Target != "/new?c=d&a=b" {
		t.Errorf("target %q", x.Target)
	}
}

func TestForwardedTokensStay(t *testing.T) {
	token := signed("ES256", good(""))
	g := newGate(t, newEnv(t), annotations{forwardKey: "true", paramsKey: "token", headersKey: "Authorization Bearer", claimHeadersKey: "X-User=sub"})
	x := bearer(token)
	if got := g.ask(x); got != 0 || upstreamSees(x, "Authorization") != "Bearer "+token || upstreamSees(x, "X-User") != "anna" {
		t.Errorf("%d, Authorization %q", got, upstreamSees(x, "Authorization"))
	}
	if x = featuretest.Exchange("GET", "/?token="+token); g.ask(x) != 0 || x.Target != "" {
		t.Errorf("target %q", x.Target)
	}
}

func TestClaimsReachTheService(t *testing.T) {
	g := newGate(t, newEnv(t), annotations{claimHeadersKey: "X-V=v, X-Deep=a.b.c, X-Url=https://a.test/x"})
	for name, c := range map[string]struct{ member, field, want string }{
		"text":                     {`"v":"anna"`, "X-V", "anna"},
		"UTF-8":                    {`"v":"jürgen"`, "X-V", "jürgen"},
		"a number":                 {`"v":12345678901234567890`, "X-V", "12345678901234567890"},
		"a truth value":            {`"v":true`, "X-V", "true"},
		"a list":                   {`"v":["a","b",3]`, "X-V", "a,b,3"},
		"deep":                     {`"a":{"b":{"c":"x"}}`, "X-Deep", "x"},
		"deep under a dotted name": {`"a.b":{"c":"x"}`, "X-Deep", "x"},
		"the whole name first":     {`"a.b.c":"x","a":{"b":{"c":"y"}}`, "X-Deep", "x"},
		"a URL for a name":         {`"https://a.test/x":"x"`, "X-Url", "x"},
		"nothing":                  {`"w":"x"`, "X-V", ""},
		"null":                     {`"v":null`, "X-V", ""},
		"an object":                {`"v":{"x":"y"}`, "X-V", ""},
		"a list of objects":        {`"v":["a",{"x":"y"}]`, "X-V", ""},
		"a newline":                {`"v":"a\nX-Admin: true"`, "X-V", ""},
		"a carriage return":        {`"v":"a\rb"`, "X-V", ""},
		"a zero":                   {`"v":"a\u0000b"`, "X-V", ""},
		"a space at the end":       {`"v":"admin "`, "X-V", ""},
		"a comma in a list":        {`"v":["a,admin"]`, "X-V", ""},
		"a newline in a list":      {`"v":["a","b\nc"]`, "X-V", ""},
		"an empty list":            {`"v":[]`, "X-V", ""},
	} {
		t.Run(name, func(t *testing.T) {
			token := signed("ES256", good(","+c.member))
			for range 2 { // the second time it is remembered
				x := bearer(token)
				x.Request.Fields.Add(strings.ToLower(c.field), "mallory")
				x.Request.Fields.Add(strings.ReplaceAll(c.field, "-", "_"), "mallory")
				if got := g.ask(x); got != 0 {
					t.Fatalf("%d, want it let in", got)
				}
				if got := upstreamSees(x, c.field); got != c.want {
					t.Errorf("the Service sees %q, want %q", got, c.want)
				}
				if got := upstreamSees(x, strings.ReplaceAll(c.field, "-", "_")); got != "" {
					t.Errorf("the Service sees %q under the name with _", got)
				}
				if x.User != "anna" {
					t.Errorf("user %q", x.User)
				}
			}
		})
	}
}

func TestRequiredClaims(t *testing.T) {
	g := newGate(t, newEnv(t), annotations{requireKey: "scope=read write, roles.names=admin, verified=true"})
	for name, c := range map[string]struct {
		claims string
		want   int
	}{
		"all":                          {`"scope":"read","roles":{"names":["admin"]},"verified":true`, 0},
		"another value, among several": {`"scope":"openid write","roles":{"names":["x","admin"]},"verified":"true"`, 0},
		"a list of scopes":             {`"scope":["write"],"roles":{"names":"admin"},"verified":true`, 0},
		"one is missing":               {`"scope":"read","roles":{"names":["admin"]}`, 403},
		"one is wrong":                 {`"scope":"read","roles":{"names":["admin"]},"verified":false`, 403},
		"a part of a value":            {`"scope":"reader","roles":{"names":["admin"]},"verified":true`, 403},
		"spaces where they are none":   {`"scope":"read","roles":{"names":"x admin"},"verified":true`, 403},
		"another case":                 {`"scope":"Read","roles":{"names":["admin"]},"verified":true`, 403},
		"an object":                    {`"scope":{"read":1},"roles":{"names":["admin"]},"verified":true`, 403},
		"null":                         {`"scope":null,"roles":null,"verified":null`, 403},
		"none":                         {`"x":1`, 403},
	} {
		t.Run(name, func(t *testing.T) {
			token := signed("ES256", good(","+c.claims))
			for range 2 {
				x := bearer(token)
				if got := g.ask(x); got != c.want {
					t.Fatalf("%d, want %d", got, c.want)
				}
				if v := x.Response.Fields.Value(wire.WWWAuthenticate); c.want == 403 && v != `Bearer error="insufficient_scope"` {
					t.Errorf("WWW-Authenticate: %q", v)
				}
			}
		})
	}
	if got := g.ask(bearer(signed("RS256", `{}`))); got != 401 {
		t.Errorf("a bad token without the claims: %d, want 401", got)
	}
}

func TestWithoutATokenWhereNoneIsRequired(t *testing.T) {
	g := newGate(t, newEnv(t), annotations{requiredKey: "false", claimHeadersKey: "X-User=sub", requireKey: "scope=read"})
	x := featuretest.Exchange("GET", "/", "X-User", "root", "Authorization", "Basic eDp5")
	if got := g.ask(x); got != 0 || upstreamSees(x, "X-User") != "" || upstreamSees(x, "Authorization") != "Basic eDp5" || x.User != "" {
		t.Errorf("%d, X-User %q, Authorization %q", got, upstreamSees(x, "X-User"), upstreamSees(x, "Authorization"))
	}
	for name, c := range map[string]struct {
		token string
		want  int
	}{
		"a bad token": {"x", 401}, "an empty one": {"", 401}, "one without the claims": {signed("ES256", good("")), 403}, "a right one": {signed("ES256", good(`,"scope":"read"`)), 0},
	} {
		if got := g.ask(bearer(c.token)); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	for _, f := range g {
		if _, ok := f.(filter.AccessFilter); ok {
			t.Error("satisfy: any would let in everybody who brings nothing")
		}
	}
}

func TestChallengeWithoutAToken(t *testing.T) {
	x := featuretest.Exchange("GET", "/")
	if got := newGate(t, newEnv(t), nil).ask(x); got != 401 || x.Response.Fields.Value(wire.WWWAuthenticate) != `Bearer realm="https://issuer.test"` {
		t.Errorf("%d %q", got, x.Response.Fields.Value(wire.WWWAuthenticate))
	}
}

// TestOneIngressDoesNotLearnFromAnother has the same token for routes with other demands, one after the other.
func TestOneIngressDoesNotLearnFromAnother(t *testing.T) {
	env := newEnv(t)
	token := signed("ES256", good(`,"aud":"a"`))
	plain := newGate(t, env, nil)
	for name, c := range map[string]struct {
		notes annotations
		want  int
	}{
		"another audience": {annotations{audiencesKey: "b"}, 401}, "another issuer": {annotations{issuerKey: "x"}, 401}, "other claims": {annotations{requireKey: "x=y"}, 403},
		"another algorithm": {annotations{algorithmsKey: "RS256"}, 401}, "the same": {annotations{audiencesKey: "a"}, 0},
	} {
		if got := plain.ask(bearer(token)); got != 0 {
			t.Fatalf("%d, want it let in", got)
		}
		if got := newGate(t, env, c.notes).ask(bearer(token)); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestRememberedTokensEnd asks with one that was seen while it was good.
func TestRememberedTokensEnd(t *testing.T) {
	g := newGate(t, newEnv(t), nil)
	x := bearer(signed("ES256", fmt.Sprintf(`{"iss":%q,"exp":%d}`, issuer, time.Now().Add(time.Minute).Unix())))
	if got := g.ask(x); got != 0 {
		t.Fatalf("%d, want it let in", got)
	}
	guard := g[len(g)-1].(*guard)
	d := guard.memory.digest(&guard.identity, x.Request.Fields.Value(wire.Authorization)[len("Bearer "):])
	set := guard.source.keys(time.Now())
	if guard.memory.get(d, set, time.Now()) == nil {
		t.Error("it is not remembered")
	}
	if guard.memory.get(d, &keySet{}, time.Now()) != nil {
		t.Error("it is remembered when the keys have changed")
	}
	g.ask(x)
	if guard.memory.get(d, set, time.Now().Add(3*time.Minute)) != nil {
		t.Error("it is remembered beyond its end")
	}
}

func TestTokensThatWereSeenAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	g := newGate(t, newEnv(t), annotations{claimHeadersKey: "X-User=sub, X-Mail=email", requireKey: "scope=read"})
	x := bearer(signed("RS256", good(`,"email":"a@b.test","scope":"read"`)))
	if got := testing.AllocsPerRun(100, func() {
		x.Overrides.Reset()
		if g.ask(x) != 0 {
			t.Fatal("it is not let in")
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// BenchmarkGate measures a token that was seen before, one that was not, and one that is refused.
func BenchmarkGate(b *testing.B) {
	for _, name := range []string{"RS256", "ES256"} {
		token := signed(name, good(`,"email":"a@b.test"`))
		b.Run(name+"/seen", func(b *testing.B) {
			g, x := newGate(b, newEnv(b), annotations{claimHeadersKey: "X-User=sub"}), bearer(token)
			b.ReportAllocs()
			for b.Loop() {
				x.Overrides.Reset()
				if g.ask(x) != 0 {
					b.Fatal("it is not let in")
				}
			}
		})
		b.Run(name+"/new", func(b *testing.B) {
			g := newGate(b, newEnv(b), annotations{claimHeadersKey: "X-User=sub"})
			f := g[len(g)-1].(*guard)
			b.ReportAllocs()
			for b.Loop() {
				if v, _ := f.judge(token); v == nil {
					b.Fatal("it is not let in")
				}
			}
		})
		b.Run(name+"/forged", func(b *testing.B) {
			g, x := newGate(b, newEnv(b), nil), bearer(token[:len(token)-20]+strings.Repeat("A", 20))
			b.ReportAllocs()
			for b.Loop() {
				if g.ask(x) != 401 {
					b.Fatal("it is let in")
				}
			}
		})
	}
}
