package jwt

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	library "github.com/golang-jwt/jwt/v5"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/filter"
)

// issuer is who issues the tokens of the tests.
const issuer = "https://issuer.test"

// signers are private keys by the names of algorithms that they fit, made once.
var signers = sync.OnceValue(func() map[string]crypto.Signer {
	out := make(map[string]crypto.Signer)
	for name, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521(), "other ES256": elliptic.P256()} {
		k, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			panic(err)
		}
		out[name] = k
	}
	for _, name := range []string{"RS256", "other RS256"} {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		out[name] = k
	}
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	out["EdDSA"] = k
	return out
})

// b64 encodes as tokens and keys do.
func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwk returns the public half of a signer as a JSON Web Key, with further members.
func jwk(s crypto.Signer, more string) string {
	switch k := s.Public().(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":%q%s}`, b64(k.N.Bytes()), b64(big.NewInt(int64(k.E)).Bytes()), more)
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		n := len(point) / 2
		return fmt.Sprintf(`{"kty":"EC","crv":%q,"x":%q,"y":%q%s}`, k.Curve.Params().Name, b64(point[1:n+1]), b64(point[n+1:]), more)
	case ed25519.PublicKey:
		return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","x":%q%s}`, b64(k), more)
	}
	panic("no such key")
}

// keySetOf returns a key set of JSON Web Keys.
func keySetOf(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

// usual is the key set of the tests: the id of each key is the name of its signer.
func usual() string {
	var list []string
	for _, name := range []string{"RS256", "ES256", "ES384", "ES512", "EdDSA"} {
		list = append(list, jwk(signers()[name], fmt.Sprintf(`,"kid":%q,"use":"sig"`, name)))
	}
	return keySetOf(list...)
}

// sign signs a head and claims, byte by byte as they are, by an algorithm with a key.
func sign(head, claims, algorithm string, key any) string {
	text := b64([]byte(head)) + "." + b64([]byte(claims))
	signature, err := library.GetSigningMethod(algorithm).Sign(text, key)
	if err != nil {
		panic(err)
	}
	return text + "." + b64(signature)
}

// signed is a token that the usual keys prove, by the algorithm of the signer.
func signed(name, claims string) string {
	return sign(fmt.Sprintf(`{"alg":%q,"kid":%q,"typ":"JWT"}`, name, name), claims, name, signers()[name])
}

// good are claims that let in, with further ones.
func good(more string) string {
	return fmt.Sprintf(`{"iss":%q,"sub":"anna","exp":%d%s}`, issuer, time.Now().Add(time.Hour).Unix(), more)
}

// gate is what annotations make of a route: all its filters in the order in which they run.
type gate []filter.Filter

// annotations are those of an Ingress.
type annotations map[string]string

// newEnv is the environment of a route.
func newEnv(t testing.TB) *filter.Env {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &filter.Env{State: filter.NewState(), Context: t.Context(), HTTP: transport}
}

// newGate builds the filters of an Ingress whose keys are the usual ones, unless it says otherwise.
func newGate(t testing.TB, env *filter.Env, notes annotations) gate {
	t.Helper()
	all := annotations{issuerKey: issuer}
	if _, ok := notes[uriKey]; !ok {
		all[secretKey] = "keys"
	}
	for k, v := range notes {
		all[k] = v
	}
	out := featuretest.Apply(&Family, featuretest.Input{Annotations: all, Objects: featuretest.Objects{
		Secrets: map[string]map[string][]byte{featuretest.Namespace + "/keys": {fileKey: []byte(usual())}},
	}})
	if out.Denied || len(out.Problems) > 0 {
		t.Fatalf("problems: %+v", out.Problems)
	}
	slices.SortStableFunc(out.Filters, func(a, b filter.Spec) int { return cmp.Compare(a.Phase(), b.Phase()) })
	var g gate
	for _, s := range out.Filters {
		g = append(g, featuretest.Build(s, env))
	}
	return g
}

// ask sends an exchange through, and returns the status that it was answered with, or 0 if it went on.
func (g gate) ask(x *filter.Exchange) int {
	x.Start = time.Now()
	for _, f := range g {
		if f.Request(x) == filter.Done {
			return x.Response.Status
		}
	}
	return 0
}

// bearer is a request with tokens in Authorization.
func bearer(tokens ...string) *filter.Exchange {
	var fields []string
	for _, token := range tokens {
		fields = append(fields, "Authorization", "Bearer "+token)
	}
	return featuretest.Exchange("GET", "/", fields...)
}
