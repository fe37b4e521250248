package jwt

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	library "github.com/golang-jwt/jwt/v5"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// FuzzJWT has heads, claims and key sets of all kinds. Heads and claims are signed with a key that is right, since otherwise nothing would get past
// the signature. What we take golang-jwt must take, too, under the one algorithm that the key is for, with the same meaning.
func FuzzJWT(f *testing.F) {
	const keys = "" // the usual ones, which each process makes for itself
	now := time.Unix(1_800_000_000, 0)
	claims := `{"iss":"https://issuer.test","aud":["a"],"sub":"anna","exp":1800000100,"nbf":1.7e9,"scope":"read","a":{"b":[1,true,"x"]}}`
	for _, head := range []string{
		`{"alg":"ES256","kid":"ES256"}`, `{"alg":"EdDSA"}`, `{"alg":"none"}`, `{"alg":"HS256"}`, `{"alg":"ES256","crit":["b64"],"b64":false}`, `{"alg":"ES256","alg":"none"}`, `{"alg":"ES256","kid":1}`,
	} {
		f.Add(head, claims, "", keys)
	}
	f.Add(`{"alg":"ES256"}`, `{"iss":"https://issuer.test","iss":"x","exp":"1"}`, "", keys)
	f.Add(`{"alg":"ES256"}`, `{"iss":"https://issuer.test","exp":1e999,"aud":1}`, "", keys)
	f.Add("", "", b64([]byte(`{"alg":"RS256"}`))+"."+b64([]byte(claims))+"."+b64(make([]byte, 256)), keys)
	f.Add("", "", "a.b.c.x", keys)
	f.Add("", "", "..", keySetOf(jwk(signers()["ES256"], `,"use":"enc"`)))
	f.Add(`{"alg":"EdDSA"}`, claims, "", keySetOf(jwk(signers()["EdDSA"], ""), `{"kty":"oct","k":"x"}`))
	all := ^Algorithms(0)
	f.Fuzz(func(t *testing.T, head, claims, token, keys string) {
		if keys == "" {
			keys = usual()
		}
		set, err := parseKeySet([]byte(keys))
		if err != nil {
			return
		}
		if token == "" {
			name := "ES256"
			if strings.Contains(head, "EdDSA") {
				name = "EdDSA"
			}
			token = sign(head, claims, name, signers()[name])
		}
		parsed, err := parse(token, all)
		if err != nil {
			return
		}
		if proven, _ := parsed.prove(set); !proven {
			return
		}
		c, err := readClaims(parsed.payload)
		if err != nil {
			return
		}
		end, err := c.check(issuer, []string{"a"}, now)
		if err != nil {
			return
		}
		agree(t, token, set, now)
		if !now.Before(end) {
			t.Errorf("it has ended at %v", end)
		}
		for name := range c {
			if !wire.TrimmedValue(c.text(name)) {
				t.Errorf("claim %q gives the value %q", name, c.text(name))
			}
		}
	})
}

// agree asks golang-jwt about a token.
func agree(t *testing.T, token string, set *keySet, now time.Time) {
	for i := range set.keys {
		k := &set.keys[i]
		parsed, err := library.Parse(token, func(*library.Token) (any, error) { return k.public, nil },
			library.WithValidMethods(strings.Fields(k.fits.String())), library.WithIssuer(issuer), library.WithAudience("a"), library.WithExpirationRequired(),
			library.WithLeeway(skew), library.WithStrictDecoding(), library.WithJSONNumber(), library.WithTimeFunc(func() time.Time { return now }))
		if err == nil {
			if name := parsed.Method.Alg(); !slices.Contains(strings.Fields(k.fits.String()), name) {
				t.Errorf("%s is taken for a key of %v", name, k.fits)
			}
			return
		}
	}
	t.Errorf("golang-jwt does not take %s", token)
}

// FuzzKeySet reads key sets: what is taken is bounded, and fits what it says it fits.
func FuzzKeySet(f *testing.F) {
	for _, text := range []string{
		usual(), `{"keys":[]}`, `{"keys":[{"kty":"RSA","n":"AA","e":"AQAB"}]}`, `{"keys":[{"kty":"EC","crv":"P-256","x":"","y":""}]}`, `[]`, `{"keys":[{"kty":"oct","k":"AA"}],"keys":1}`, "<html>",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := parseKeySet(text)
		if err != nil {
			return
		}
		if len(set.keys) == 0 || len(set.keys) > maxKeys || !json.Valid(text) {
			t.Errorf("%d keys in %q", len(set.keys), text)
		}
		for i := range set.keys {
			k := &set.keys[i]
			for place := range algorithms {
				// A key of another kind is an error of another kind than a wrong signature.
				if err := algorithms[place].method.Verify("x", make([]byte, 64), k.public); k.fits>>place&1 != 0 && (err == nil || strings.Contains(err.Error(), "invalid type")) {
					t.Errorf("%s with %T: %v", algorithms[place].name, k.public, err)
				}
			}
		}
	})
}

// FuzzTokenPlaces has requests: exactly one token counts, and none of those that count is left for the Service.
func FuzzTokenPlaces(f *testing.F) {
	f.Add("/?token=a.b.c&x=y", "a=b; session=a.b.c", "Bearer a.b.c")
	f.Add("/?token&token=", "session; session=;", "bearer")
	f.Add("/a?&&token=%2e#", ";;session=\tx", "Bearer  ")
	f.Fuzz(func(t *testing.T, target, cookie, authorization string) {
		if !strings.HasPrefix(target, "/") || !wire.ValidValue(target+cookie+authorization) || strings.Contains(target, "%") {
			return
		}
		p := Places{Headers: []Header{{"Authorization", "Bearer"}}, Params: []string{"token"}, Cookies: []string{"session"}}
		x := exchange(target, cookie, authorization)
		_, count := p.find(x)
		p.hide(x)
		p.hideParams(x)
		seen := x.Target
		if seen == "" {
			seen = target
		}
		y := exchange(seen, upstreamSees(x, "Cookie"), upstreamSees(x, "Authorization"))
		if _, left := p.find(y); left != 0 {
			t.Errorf("%d of %d tokens are left in %q, %q", left, count, seen, upstreamSees(x, "Cookie"))
		}
		if count == 0 && (x.Target != "" || x.Overrides.Len() != 0) {
			t.Errorf("without a token the request is changed to %q", x.Target)
		}
	})
}

// exchange is a request with a Cookie and an Authorization, if they are not empty.
func exchange(target, cookie, authorization string) *filter.Exchange {
	var fields []string
	if cookie != "" {
		fields = append(fields, "Cookie", cookie)
	}
	if authorization != "" {
		fields = append(fields, "Authorization", authorization)
	}
	return featuretest.Exchange("GET", target, fields...)
}
