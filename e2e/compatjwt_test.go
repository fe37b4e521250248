package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// tokenIssuer signs tokens, and publishes its keys over HTTP.
type tokenIssuer struct {
	url string
	key *ecdsa.PrivateKey
	// keys is its key set.
	keys string
	// status is what it answers.
	status atomic.Int32
	asked  atomic.Int32
}

// newTokenIssuer starts one.
func newTokenIssuer(t *testing.T) *tokenIssuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	i := &tokenIssuer{key: key, keys: keySet(t, &key.PublicKey)}
	i.status.Store(200)
	i.url = "http://127.0.0.1:" + strconv.Itoa(serveOn(t, i, []string{"127.0.0.1"}))
	return i
}

// keySet encodes the key.
func keySet(t *testing.T, key *ecdsa.PublicKey) string {
	t.Helper()
	point, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","kid":"1","use":"sig","alg":"ES256","x":%q,"y":%q}]}`, encode(point[1:33]), encode(point[33:]))
}

// ServeHTTP publishes the keys.
func (i *tokenIssuer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	i.asked.Add(1)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(i.status.Load()))
	_, _ = io.WriteString(w, i.keys)
}

// token signs claims; those of the issuer, of time and of anna are there already.
func (i *tokenIssuer) token(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	all := jwt.MapClaims{"iss": "https://issuer.test", "aud": "shop", "sub": "anna", "exp": time.Now().Add(time.Hour).Unix()}
	for k, v := range claims {
		all[k] = v
	}
	token := jwt.NewWithClaims(jwt.SigningMethodES256, all)
	token.Header["kid"] = "1"
	text, err := token.SignedString(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestCompatTokens is JSON Web Tokens on plain Ingress objects, from both sides.
func TestCompatTokens(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	issuer, dead := newTokenIssuer(t), newTokenIssuer(t)
	dead.status.Store(500)
	guarded := func(name string, notes ...string) {
		s.add(ing{name: name, host: name + ".test", paths: []string{"/"}, notes: append(notes, "jwt-issuer: https://issuer.test")}.String())
	}
	from := "jwt-jwks-uri: " + issuer.url + "/keys"
	guarded("plain", from)
	guarded("claims", from, "jwt-audiences: shop", "jwt-claim-headers: X-User=sub, X-Groups=realm.groups", "jwt-require-claims: scope=read write")
	guarded("places", from, "jwt-from-params: access_token", "jwt-from-cookies: session", "rewrite-target: /new?kept=1")
	guarded("optional", from, "jwt-required: false", "jwt-claim-headers: X-User=sub")
	guarded("forwarded", from, "jwt-forward-token: true")
	guarded("other", from, "jwt-audiences: other")
	guarded("stored", "jwt-jwks-secret: keys")
	guarded("corsed", from, "enable-cors: true")
	guarded("any", from, "satisfy: any", "allowlist-source-range: 10.0.0.0/8", "jwt-claim-headers: X-User=sub")
	guarded("anyoptional", from, "satisfy: any", "allowlist-source-range: 10.0.0.0/8", "jwt-required: false")
	guarded("dead", "jwt-jwks-uri: "+dead.url)
	guarded("missing", "jwt-jwks-secret: nobody")
	guarded("world", "jwt-jwks-uri: http://issuer.test/keys")
	guarded("symmetric", from, "jwt-algorithms: HS256")
	s.add(ing{name: "noissuer", host: "noissuer.test", paths: []string{"/"}, notes: []string{from}}.String())
	s.edit("secret", secret("keys", "jwks: "+issuer.keys))
	s.start()

	good := "Authorization: Bearer " + issuer.token(t, jwt.MapClaims{"scope": "openid read", "realm": map[string]any{"groups": []string{"dev", "ops"}}})
	poor := "Authorization: Bearer " + issuer.token(t, nil)
	forged := "Authorization: Bearer " + dead.token(t, nil)
	past := "Authorization: Bearer " + issuer.token(t, jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()})
	for _, c := range []struct {
		host, target, want string
		fields             []string
	}{
		{"plain.test", "/x", "a /x", []string{good}}, {"plain.test", "/x", "a /x", []string{good}}, {"plain.test", "/x", "401", nil}, {"plain.test", "/x", "401", []string{forged}}, {"plain.test", "/x", "401", []string{past}},
		{"plain.test", "/x", "401", []string{good, good}}, {"plain.test", "/x", "401", []string{"Authorization: Basic dXNlcjpwYXNzd29yZA=="}},
		{"claims.test", "/x", "a /x", []string{good}}, {"claims.test", "/x", "403", []string{poor}}, {"claims.test", "/x", "401", []string{forged}}, {"other.test", "/x", "401", []string{good}},
		{"optional.test", "/x", "a /x", nil}, {"optional.test", "/x", "a /x", []string{poor}}, {"optional.test", "/x", "401", []string{forged}}, {"stored.test", "/x", "a /x", []string{poor}}, {"stored.test", "/x", "401", []string{forged}},
		{"any.test", "/x", "401", nil}, {"any.test", "/x", "a /x", []string{good}}, {"anyoptional.test", "/x", "403", nil},
		{"dead.test", "/x", "503", []string{good}}, {"dead.test", "/x", "401", nil}, {"missing.test", "/x", "503", []string{good}}, {"world.test", "/x", "503", []string{good}}, {"symmetric.test", "/x", "503", []string{good}}, {"noissuer.test", "/x", "503", nil},
	} {
		s.want(c.host, c.target, c.want, c.fields...)
	}
	r := s.get("claims.test", "/", good, "X-User: root", "x-groups: admin")
	if h := r.Seen.Header; h.Get("X-User") != "anna" || len(h["X-User"]) != 1 || h.Get("X-Groups") != "dev,ops" || h.Get("Authorization") != "" {
		t.Errorf("the Service saw %v", h)
	}
	if r = s.get("optional.test", "/", "X-User: root"); r.Seen.Header.Get("X-User") != "" {
		t.Errorf("without a token the Service saw %v", r.Seen.Header)
	}
	if r = s.get("forwarded.test", "/", good); "Authorization: "+r.Seen.Header.Get("Authorization") != good {
		t.Errorf("the Service saw %v", r.Seen.Header)
	}
	token := strings.TrimPrefix(good, "Authorization: Bearer ")
	if r = s.get("places.test", "/old?access_token="+token+"&a=b"); r.Seen == nil || strings.Contains(r.Seen.URI, token) || !strings.HasPrefix(r.Seen.URI, "/new?kept=1") {
		t.Errorf("%s; the Service saw %v", r, r.Seen)
	}
	if r = s.get("places.test", "/old", "Cookie: a=b; session="+token+"; c=d"); r.Seen == nil || r.Seen.Header.Get("Cookie") != "a=b; c=d" {
		t.Errorf("%s; the Service saw %v", r, r.Seen)
	}
	if r = s.get("plain.test", "/"); r.Header.Get("WWW-Authenticate") != `Bearer realm="https://issuer.test"` {
		t.Errorf("challenge %v", r.Header)
	}
	if r = s.get("plain.test", "/", forged); r.Header.Get("WWW-Authenticate") != `Bearer error="invalid_token"` {
		t.Errorf("challenge %v", r.Header)
	}
	if r = s.send("OPTIONS", "corsed.test", "/", "", "Origin: https://a.test", "Access-Control-Request-Method: GET"); r.Status != 204 {
		t.Errorf("preflight: %s", r)
	}
	if r = s.get("corsed.test", "/", "Origin: https://a.test"); r.Status != 401 || r.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("no token: %s %v", r, r.Header)
	}
	s.logged("jwt-jwks-secret", "there is no Secret", "nobody")
	s.logged("jwt-jwks-uri", "write https://")
	s.logged("fetch keys from", dead.url, "it answers 500")

	// The issuer goes away, Ingresses come and go, keys that are there stay.
	asked := issuer.asked.Load()
	issuer.status.Store(500)
	s.edit("more", ing{name: "more", host: "more.test", paths: []string{"/"}, notes: []string{from, "jwt-issuer: https://issuer.test"}}.String())
	s.settle("more.test", "/x", "a /x", good)
	if asked != 1 || issuer.asked.Load() != 1 {
		t.Errorf("the keys were fetched %d times, then %d, want once", asked, issuer.asked.Load())
	}
	// A Secret changes: what its old keys proved is worth nothing any more.
	s.edit("secret", secret("keys", "jwks: "+dead.keys))
	s.settle("stored.test", "/x", "401", poor)
	s.want("stored.test", "/x", "a /x", forged)
}

// TestDocumentedTokens serves the manifest of docs/jwt.md.
func TestDocumentedTokens(t *testing.T) {
	page, err := os.ReadFile("../docs/jwt.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "```yaml\n")
	manifest, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("docs/jwt.md has no manifest")
	}
	issuer := newTokenIssuer(t)
	const address = "https://issuer.example.com/keys"
	if !strings.Contains(manifest, address) {
		t.Fatalf("the manifest does not name %s", address)
	}
	s := newStage(t)
	s.echo("shop")
	s.add("---\n" + strings.ReplaceAll(manifest, address, issuer.url) + "\n")
	s.start()
	claims := jwt.MapClaims{"iss": "https://issuer.example.com", "email": "anna@example.com", "scope": "shop:read"}
	r := s.want("shop.example.com", "/x", "shop /x", "Authorization: Bearer "+issuer.token(t, claims), "X-User: root")
	if r.Seen != nil && (r.Seen.Header.Get("X-User") != "anna" || r.Seen.Header.Get("X-Mail") != "anna@example.com") {
		t.Errorf("the Service saw %v", r.Seen.Header)
	}
	s.want("shop.example.com", "/x", "401")
	claims["scope"] = "other"
	s.want("shop.example.com", "/x", "403", "Authorization: Bearer "+issuer.token(t, claims))
}
