package jwt

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/wire"
)

// attackLimit is how much time and memory a token may cost that is turned away.
const (
	attackTime   = time.Millisecond
	attackMemory = 64 << 10
)

// attacks are tokens that are not to be believed.
func attacks(t testing.TB) map[string]string {
	es, rs := signers()["ES256"].(*ecdsa.PrivateKey), signers()["RS256"]
	other := signers()["other ES256"]
	valid := signed("ES256", good(""))
	head, rest, _ := strings.Cut(valid, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	unsigned := func(head string) string { return b64([]byte(head)) + "." + b64([]byte(good(""))) + "." }
	der, err := x509.MarshalPKIXPublicKey(rs.Public())
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	zeros := func(n int) string { return head + "." + payload + "." + b64(make([]byte, n)) }
	claims := func(format string, args ...any) string { return signed("ES256", fmt.Sprintf(format, args...)) }
	later := time.Now().Add(time.Hour).Unix()
	forged := func(member string) string {
		return sign(`{"alg":"ES256",`+member+`}`, good(""), "ES256", other)
	}
	list := map[string]string{
		"alg none": unsigned(`{"alg":"none"}`), "alg None": unsigned(`{"alg":"None"}`), "alg NONE": unsigned(`{"alg":"NONE"}`), "no alg": unsigned(`{}`),
		"alg is a list": unsigned(`{"alg":["ES256"]}`), "alg in lower case": sign(`{"alg":"es256"}`, good(""), "ES256", es),
		"HS256 with the public key as PEM":   sign(`{"alg":"HS256","kid":"RS256"}`, good(""), "HS256", public),
		"HS256 with the public key as DER":   sign(`{"alg":"HS256","kid":"RS256"}`, good(""), "HS256", der),
		"HS256 with the key set":             sign(`{"alg":"HS256"}`, good(""), "HS256", []byte(usual())),
		"HS256 with nothing":                 sign(`{"alg":"HS256"}`, good(""), "HS256", []byte{}),
		"the algorithm of another key":       sign(`{"alg":"RS256","kid":"ES256"}`, good(""), "RS256", rs),
		"the key of another algorithm":       sign(`{"alg":"ES256","kid":"RS256"}`, good(""), "ES256", es),
		"jwk in the head":                    forged(`"jwk":` + jwk(other, "")),
		"jku in the head":                    forged(`"jku":"https://evil.test/keys"`),
		"x5u in the head":                    forged(`"x5u":"https://evil.test/cert"`),
		"x5c in the head":                    forged(`"x5c":["` + b64(der) + `"]`),
		"kid is a path":                      forged(`"kid":"../../x"`),
		"kid is SQL":                         forged(`"kid":"x' UNION SELECT 'y"`),
		"kid is a number":                    sign(`{"alg":"ES256","kid":1}`, good(""), "ES256", es),
		"kid is null":                        sign(`{"alg":"ES256","kid":null}`, good(""), "ES256", es),
		"another issuer's key, the right id": forged(`"kid":"ES256"`),
		"crit that nobody knows":             sign(`{"alg":"ES256","crit":["x"],"x":1}`, good(""), "ES256", es),
		"crit that is empty":                 sign(`{"alg":"ES256","crit":[]}`, good(""), "ES256", es),
		"a payload that is not encoded":      sign(`{"alg":"ES256","b64":false,"crit":["b64"]}`, good(""), "ES256", es),
		"alg twice":                          sign(`{"alg":"none","alg":"ES256"}`, good(""), "ES256", es),
		"iss twice":                          claims(`{"iss":"https://evil.test","iss":%q,"exp":%d}`, issuer, later),
		"sub twice, deep down":               claims(`{"iss":%q,"exp":%d,"a":[{"b":1,"b":2}]}`, issuer, later),
		"sub twice, spelt differently":       claims(`{"iss":%q,"exp":%d,"sub":"a","s\u0075b":"b"}`, issuer, later),
		"ES256 with r and s 0":               zeros(64), "ES256 with r and s 0, as DER": head + "." + payload + "." + b64([]byte{0x30, 6, 2, 1, 0, 2, 1, 0}),
		"a signature of 63 bytes": zeros(63), "a signature of 65 bytes": zeros(65), "no signature": head + "." + payload + ".",
		"a signature that is cut":    valid[:len(valid)-2],
		"another signature":          head + "." + payload + "." + signature[2:] + signature[:2],
		"another payload":            head + "." + b64([]byte(good(`,"admin":true`))) + "." + signature,
		"five segments (JWE)":        valid + ".x.y",
		"two segments":               head + "." + payload,
		"one segment":                head,
		"nothing":                    "",
		"three empty segments":       "..",
		"100000 dots":                strings.Repeat(".", 100_000),
		"1 MiB":                      head + "." + strings.Repeat("A", 1<<20) + "." + signature,
		"a head of 10 KiB":           sign(`{"alg":"ES256","x":"`+strings.Repeat("x", 10<<10)+`"}`, good(""), "ES256", es),
		"a deep head":                sign(`{"alg":"ES256","x":`+strings.Repeat("[", 500)+strings.Repeat("]", 500)+`}`, good(""), "ES256", es),
		"a deep payload":             claims(`{"iss":%q,"exp":%d,"x":%s%s}`, issuer, later, strings.Repeat("[", 1000), strings.Repeat("]", 1000)),
		"a payload that is a list":   claims(`[{"iss":%q,"exp":%d}]`, issuer, later),
		"a payload with text behind": claims(`{"iss":%q,"exp":%d} {}`, issuer, later),
		"a payload that is no UTF-8": claims("{\"iss\":%q,\"exp\":%d,\"sub\":\"\xff\"}", issuer, later),
		"a payload that is a token":  claims("%s", valid),
		"exp is text":                claims(`{"iss":%q,"exp":"%d"}`, issuer, later),
		"exp is negative":            claims(`{"iss":%q,"exp":-1}`, issuer),
		"exp is 0":                   claims(`{"iss":%q,"exp":0}`, issuer),
		"exp is past":                claims(`{"iss":%q,"exp":%d}`, issuer, time.Now().Unix()-61),
		"exp in milliseconds":        claims(`{"iss":%q,"exp":%d}`, issuer, later*1000),
		"exp is without end":         claims(`{"iss":%q,"exp":1e999}`, issuer),
		"exp is null":                claims(`{"iss":%q,"exp":null}`, issuer),
		"no exp":                     claims(`{"iss":%q}`, issuer),
		"nbf is to come":             claims(`{"iss":%q,"exp":%d,"nbf":%d}`, issuer, later, time.Now().Unix()+70),
		"nbf is text":                claims(`{"iss":%q,"exp":%d,"nbf":"0"}`, issuer, later),
		"iss with a slash behind":    claims(`{"iss":"%s/","exp":%d}`, issuer, later),
		"iss in another case":        claims(`{"iss":%q,"exp":%d}`, strings.ToUpper(issuer), later),
		"iss is a list":              claims(`{"iss":[%q],"exp":%d}`, issuer, later),
		"no iss":                     claims(`{"exp":%d}`, later),
		"sub is a number":            claims(`{"iss":%q,"exp":%d,"sub":1}`, issuer, later),
		"aud is a number":            claims(`{"iss":%q,"exp":%d,"aud":1}`, issuer, later),
		"aud has a number":           claims(`{"iss":%q,"exp":%d,"aud":["a",1]}`, issuer, later),
		"padding":                    valid + "==", "padding in the head": head + "=." + payload + "." + signature,
		"a newline": valid[:20] + "\n" + valid[20:], "a space": valid[:20] + " " + valid[20:], "text behind": valid + ", x", "a comma": valid + "," + valid,
		"base 64 not for URLs": strings.NewReplacer("-", "+", "_", "/").Replace(signed("ES256", good(`,"x":"ÿ?ÿ>ÿ~ÿ?ÿ>ÿ~"`))),
		"bits behind the end":  valid[:len(valid)-1] + string(valid[len(valid)-1]+1),
	}
	return list
}

// TestAttacks is S-E13: none gets in, and none costs much.
func TestAttacks(t *testing.T) {
	g := newGate(t, newEnv(t), nil)
	for name, token := range attacks(t) {
		t.Run(name, func(t *testing.T) {
			x := bearer(token)
			if got := g.ask(x); got != 401 || x.Response.Fields.Value(wire.WWWAuthenticate) != `Bearer error="invalid_token"` || x.User != "" {
				t.Fatalf("%d, user %q, %q", got, x.User, x.Response.Fields.Value(wire.WWWAuthenticate))
			}
			x = bearer(token)
			best, least := time.Hour, uint64(1<<62)
			for range 20 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				start := time.Now()
				g.ask(x)
				best = min(best, time.Since(start))
				runtime.ReadMemStats(&after)
				least = min(least, after.TotalAlloc-before.TotalAlloc)
			}
			if !raceEnabled && best > attackTime || least > attackMemory {
				t.Errorf("it takes %v and %d bytes", best, least)
			}
		})
	}
}

// TestTokensThatAreRight has what looks odd and is right: the legal variants of S-E13.
func TestTokensThatAreRight(t *testing.T) {
	g := newGate(t, newEnv(t), annotations{audiencesKey: "a, https://b.test"})
	later := time.Now().Add(time.Hour).Unix()
	claims := func(format string, args ...any) string {
		return fmt.Sprintf(`{"iss":%q,"aud":"a",`+format+`}`, append([]any{issuer}, args...)...)
	}
	usualClaims := claims(`"exp":%d`, later)
	es := signers()["ES256"]
	for name, token := range map[string]string{
		"RS256": signed("RS256", usualClaims), "ES256": signed("ES256", usualClaims), "ES384": signed("ES384", usualClaims),
		"ES512": signed("ES512", usualClaims), "EdDSA": signed("EdDSA", usualClaims),
		"PS256":                   sign(`{"alg":"PS256","kid":"RS256"}`, usualClaims, "PS256", signers()["RS256"]),
		"RS512":                   sign(`{"alg":"RS512","kid":"RS256"}`, usualClaims, "RS512", signers()["RS256"]),
		"no id":                   sign(`{"alg":"ES256"}`, usualClaims, "ES256", es),
		"an id that is empty":     sign(`{"alg":"ES256","kid":""}`, usualClaims, "ES256", es),
		"jku, which has no say":   sign(`{"alg":"ES256","kid":"ES256","jku":"https://evil.test"}`, usualClaims, "ES256", es),
		"aud is a list":           signed("ES256", fmt.Sprintf(`{"iss":%q,"aud":["x","https://b.test"],"exp":%d}`, issuer, later)),
		"exp with a fraction":     signed("ES256", claims(`"exp":%d.5`, later)),
		"exp with an exponent":    signed("ES256", claims(`"exp":4e9`)),
		"exp half a minute ago":   signed("ES256", claims(`"exp":%d`, time.Now().Unix()-30)),
		"nbf in half a minute":    signed("ES256", claims(`"exp":%d,"nbf":%d`, later, time.Now().Unix()+30)),
		"space around the head":   sign(" {\"alg\" : \"ES256\"}\n", usualClaims, "ES256", es),
		"a payload of 8 KiB":      signed("ES256", claims(`"exp":%d,"x":%q`, later, strings.Repeat("x", 8<<10))),
		"iat in the next century": signed("ES256", claims(`"exp":%d,"iat":4102444800`, later)),
	} {
		t.Run(name, func(t *testing.T) {
			for _, scheme := range []string{"Bearer ", "bearer ", "BEARER   "} {
				if got := g.ask(featuretest.Exchange("GET", "/", "Authorization", scheme+token)); got != 0 {
					t.Errorf("%s: %d, want it let in", scheme, got)
				}
			}
		})
	}
	for name, aud := range map[string]string{"another audience": `"aud":"x"`, "the beginning of one": `"aud":"https://b"`, "an empty list": `"aud":[]`, "none": `"x":1`} {
		token := signed("ES256", fmt.Sprintf(`{"iss":%q,%s,"exp":%d}`, issuer, aud, later))
		if got := g.ask(bearer(token)); got != 401 {
			t.Errorf("%s: %d, want 401", name, got)
		}
	}
}

// TestAlgorithmsAreThoseThatWereNamed pins them.
func TestAlgorithmsAreThoseThatWereNamed(t *testing.T) {
	g := newGate(t, newEnv(t), annotations{algorithmsKey: "ES256"})
	for name, want := range map[string]int{"ES256": 0, "RS256": 401, "ES384": 401, "EdDSA": 401} {
		if got := g.ask(bearer(signed(name, good("")))); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

// TestKeysCheckWhatTheyAreFor has keys that are not for this.
func TestKeysCheckWhatTheyAreFor(t *testing.T) {
	es, rs := signers()["ES256"], signers()["RS256"]
	for name, text := range map[string]string{
		"for encryption":             keySetOf(jwk(es, `,"use":"enc"`)),
		"for signing only":           keySetOf(jwk(es, `,"key_ops":["sign"]`)),
		"for another algorithm":      keySetOf(jwk(rs, `,"alg":"HS256"`)),
		"for an encryption":          keySetOf(jwk(rs, `,"alg":"RSA-OAEP"`)),
		"symmetric":                  keySetOf(`{"kty":"oct","k":"AAAA"}`),
		"without a kind":             keySetOf(`{"n":"AAAA"}`),
		"with an odd id":             keySetOf(jwk(es, `,"kid":1`)),
		"not on the curve":           keySetOf(`{"kty":"EC","crv":"P-256","x":"` + b64(make([]byte, 32)) + `","y":"` + b64(bytes.Repeat([]byte{1}, 32)) + `"}`),
		"on another curve":           keySetOf(strings.Replace(jwk(es, ""), "P-256", "P-384", 1)),
		"on a curve of others":       keySetOf(strings.Replace(jwk(es, ""), "P-256", "secp256k1", 1)),
		"a short RSA key":            keySetOf(`{"kty":"RSA","e":"AQAB","n":"` + b64(bytes.Repeat([]byte{0xff}, 128)) + `"}`),
		"a very long RSA key":        keySetOf(`{"kty":"RSA","e":"AQAB","n":"` + b64(bytes.Repeat([]byte{0xff}, 2048)) + `"}`),
		"an RSA key with exponent 1": keySetOf(`{"kty":"RSA","e":"AQ","n":"` + b64(bytes.Repeat([]byte{0xff}, 256)) + `"}`),
		"none":                       `{"keys":[]}`, "no list": `{"keys":{}}`, "a key alone": jwk(es, ""), "a list alone": "[" + jwk(es, "") + "]",
		"HTML": "<html>", "nothing": "", "keys twice": `{"keys":[],"keys":[` + jwk(es, "") + `]}`,
		"too many": keySetOf(strings.Split(strings.Repeat(jwk(es, "")+"\n", maxKeys), "\n")...),
	} {
		if name == "too many" {
			text = strings.Replace(text, ",]", ","+jwk(es, "")+"]", 1)
		}
		if set, err := parseKeySet([]byte(text)); err == nil {
			t.Errorf("%s: %d keys", name, len(set.keys))
		}
	}
	for name, text := range map[string]string{
		"members that nobody knows":    keySetOf(jwk(es, `,"x5t":"x","ext":true,"key_ops":["verify","sign"],"d":"private"`)),
		"beside some that are no good": keySetOf(`{"kty":"oct","k":"AAAA"}`, `{}`, `1`, jwk(es, "")),
		"as many as there may be":      keySetOf(strings.Split(strings.TrimSuffix(strings.Repeat(jwk(es, "")+"\n", maxKeys), "\n"), "\n")...),
	} {
		if _, err := parseKeySet([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
