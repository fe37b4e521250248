package jwt

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/feature/featuretest"
)

// apply applies the family beside some Secrets.
func applyFamily(notes annotations) featuretest.Output {
	return featuretest.Apply(&Family, featuretest.Input{Annotations: notes, Objects: featuretest.Objects{
		Secrets: map[string]map[string][]byte{
			"shop/keys": {fileKey: []byte(usual())}, "shop/html": {fileKey: []byte("<html>")}, "shop/private": {fileKey: []byte(keySetOf(`{"kty":"oct","k":"hunter2"}`))},
			"shop/other": {"keys": []byte(usual())}, "elsewhere/keys": {fileKey: []byte(usual())},
		},
	}})
}

func TestWhatIsRightIsTaken(t *testing.T) {
	for name, c := range map[string]struct {
		notes annotations
		want  []string
	}{
		"nothing": {nil, nil},
		"a Secret": {annotations{issuerKey: issuer, secretKey: "keys"}, []string{
			"clear-claims(, tokens in field Authorization Bearer)",
			"jwt(https://issuer.test, keys of shop/keys, RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA, in field Authorization Bearer)",
		}},
		"a token that is forwarded": {annotations{issuerKey: issuer, uriKey: "https://issuer.test/keys", forwardKey: "true", algorithmsKey: "ES256"}, []string{
			"jwt(https://issuer.test, keys from https://issuer.test/keys, ES256, in field Authorization Bearer)",
		}},
		"all of it": {annotations{
			issuerKey: issuer, uriKey: "http://keys.ns.svc:8080/", algorithmsKey: "RS256,ES256", audiencesKey: "a, b", headersKey: "X-Token, Authorization JWT", paramsKey: "token",
			cookiesKey: "session", requiredKey: "false", claimHeadersKey: "X-User = sub, X-Roles=realm_access.roles,X-Url=https://a.test/b=c", requireKey: "scope=read write, group=admin",
		}, []string{
			"clear-claims(X-User X-Roles X-Url, tokens in field X-Token, field Authorization JWT, parameter token, cookie session)",
			"jwt(https://issuer.test, keys from http://keys.ns.svc:8080/, RS256 ES256, in field X-Token, field Authorization JWT, parameter token, cookie session, for a b, or none" +
				", X-User from sub, X-Roles from realm_access.roles, X-Url from https://a.test/b=c, scope is read or write, group is admin)",
			"strip-parameters(token)",
		}},
		"a cookie alone": {annotations{issuerKey: issuer, secretKey: "shop/keys", cookiesKey: "session", algorithmsKey: "ES256"}, []string{
			"clear-claims(, tokens in cookie session)", "jwt(https://issuer.test, keys of shop/keys, ES256, in cookie session)",
		}},
		"http to a private address": {annotations{issuerKey: issuer, uriKey: "http://10.1.2.3/keys", forwardKey: "true", algorithmsKey: "ES256"}, []string{
			"jwt(https://issuer.test, keys from http://10.1.2.3/keys, ES256, in field Authorization Bearer)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			out := applyFamily(c.notes)
			var got []string
			for _, s := range out.Filters {
				got = append(got, s.String())
			}
			if !slices.Equal(got, c.want) || len(out.Problems) > 0 {
				t.Errorf("%q, problems %+v\nwant %q", got, out.Problems, c.want)
			}
		})
	}
}

// TestWhatIsWrongDenies has every mistake. Those of the Ingress itself are refused by admission, those of other objects are not.
func TestWhatIsWrongDenies(t *testing.T) {
	for name, c := range map[string]struct {
		notes  annotations // beside an issuer and the Secret, unless it names either
		key    string
		reason string
		lacks  bool
	}{
		"an empty issuer":               {annotations{issuerKey: ""}, issuerKey, "it is empty", false},
		"an issuer with a space":        {annotations{issuerKey: "a b"}, issuerKey, "printable", false},
		"no keys":                       {annotations{secretKey: "-"}, issuerKey, "write jwt-jwks-uri or jwt-jwks-secret", false},
		"two places of keys":            {annotations{uriKey: "https://issuer.test/"}, secretKey, "remove one", false},
		"an empty address":              {annotations{secretKey: "-", uriKey: ""}, uriKey, "http", false},
		"no Secret":                     {annotations{secretKey: "nobody"}, secretKey, "there is no Secret shop/nobody: create it", true},
		"another namespace":             {annotations{secretKey: "elsewhere/keys"}, secretKey, "another namespace", false},
		"another key":                   {annotations{secretKey: "other"}, secretKey, `has no key "jwks"`, true},
		"HTML in the Secret":            {annotations{secretKey: "html"}, secretKey, "not JSON", true},
		"a symmetric key":               {annotations{secretKey: "private"}, secretKey, "want RSA keys", true},
		"http to the world":             {annotations{secretKey: "-", uriKey: "http://issuer.test/"}, uriKey, "write https://", false},
		"http to a public address":      {annotations{secretKey: "-", uriKey: "http://8.8.8.8/"}, uriKey, "write https://", false},
		"http to a name like a Service": {annotations{secretKey: "-", uriKey: "http://evil.test.svc.evil.test/"}, uriKey, "write https://", false},
		"a file":                        {annotations{secretKey: "-", uriKey: "file:///etc/passwd"}, uriKey, "http", false},
		"gopher":                        {annotations{secretKey: "-", uriKey: "gopher://a.test/"}, uriKey, "http", false},
		"a user in the address":         {annotations{secretKey: "-", uriKey: "https://u:p@a.test/"}, uriKey, "user", false},
		"a variable":                    {annotations{secretKey: "-", uriKey: "https://$host/keys"}, uriKey, "$", false},
		"a fragment":                    {annotations{secretKey: "-", uriKey: "https://a.test/#x"}, uriKey, "#", false},
		"a quote in the address":        {annotations{secretKey: "-", uriKey: `https://a.test/"`}, uriKey, "encode", false},
		"no host":                       {annotations{secretKey: "-", uriKey: "https:///keys"}, uriKey, "host", false},
		"no algorithm":                  {annotations{algorithmsKey: ","}, algorithmsKey, "names no algorithm", false},
		"none":                          {annotations{algorithmsKey: "none"}, algorithmsKey, "no algorithm", false},
		"HS256":                         {annotations{algorithmsKey: "RS256, HS256"}, algorithmsKey, "symmetric", false},
		"lower case":                    {annotations{algorithmsKey: "rs256"}, algorithmsKey, "RS256", false},
		"empty audiences":               {annotations{audiencesKey: ""}, audiencesKey, "names nobody", false},
		"a field that is none":          {annotations{headersKey: "X Y Z"}, headersKey, "no scheme", false},
		"a field with a colon":          {annotations{headersKey: "X:Y"}, headersKey, "not the name", false},
		"the same field twice":          {annotations{headersKey: "X-A, x-a"}, headersKey, "twice", false},
		"the field Cookie":              {annotations{headersKey: "Cookie"}, headersKey, "jwt-from-cookies", false},
		"the field Host":                {annotations{headersKey: "Host"}, headersKey, "belongs", false},
		"a parameter that is none":      {annotations{paramsKey: "a=b"}, paramsKey, "not a name", false},
		"a parameter twice":             {annotations{paramsKey: "a,a"}, paramsKey, "twice", false},
		"an empty cookie":               {annotations{cookiesKey: ""}, cookiesKey, "names nothing", false},
		"required is no bool":           {annotations{requiredKey: "maybe"}, requiredKey, "bool", false},
		"forward is no bool":            {annotations{forwardKey: "maybe"}, forwardKey, "bool", false},
		"a claim without a field":       {annotations{claimHeadersKey: "sub"}, claimHeadersKey, "X-User=sub", false},
		"a field without a claim":       {annotations{claimHeadersKey: "X-User="}, claimHeadersKey, "X-User=sub", false},
		"a claim in Host":               {annotations{claimHeadersKey: "Host=sub"}, claimHeadersKey, "belongs", false},
		"a claim in X-Real-IP":          {annotations{claimHeadersKey: "X-Real-IP=sub"}, claimHeadersKey, "belongs", false},
		"a claim in a framing field":    {annotations{claimHeadersKey: "Content-Length=sub"}, claimHeadersKey, "belongs", false},
		"a claim in Authorization":      {annotations{claimHeadersKey: "Authorization=sub"}, claimHeadersKey, "credentials", false},
		"a field with a newline":        {annotations{claimHeadersKey: "X-A\nB=sub"}, claimHeadersKey, "not the name", false},
		"a field with _":                {annotations{claimHeadersKey: "X_User=sub"}, claimHeadersKey, "not the name", false},
		"two claims in a field":         {annotations{claimHeadersKey: "X-A=sub,x-a=iss"}, claimHeadersKey, "twice", false},
		"no claims":                     {annotations{claimHeadersKey: ""}, claimHeadersKey, "names no field", false},
		"a requirement of nothing":      {annotations{requireKey: "scope="}, requireKey, "scope=read", false},
		"no requirement":                {annotations{requireKey: ""}, requireKey, "asks for nothing", false},
		"a requirement of no claim":     {annotations{requireKey: "=x"}, requireKey, "scope=read", false},
		"keys without an issuer":        {annotations{issuerKey: "-"}, secretKey, "jwt-issuer", false},
		"claims without an issuer":      {annotations{issuerKey: "-", secretKey: "-", requireKey: "scope=x"}, requireKey, "jwt-issuer", false},
		"nothing without an issuer":     {annotations{issuerKey: "-", secretKey: "-", requireKey: ""}, requireKey, "jwt-issuer", false},
	} {
		t.Run(name, func(t *testing.T) {
			notes := annotations{issuerKey: issuer, secretKey: "keys"}
			for k, v := range c.notes {
				if notes[k] = v; v == "-" {
					delete(notes, k)
				}
			}
			out := applyFamily(notes)
			if !out.Denied || !slices.ContainsFunc(out.Problems, func(p feature.Problem) bool {
				return p.Key == c.key && strings.Contains(p.Reason, c.reason) && p.Denied && p.Reject != c.lacks
			}) {
				t.Errorf("denied %v: %+v", out.Denied, out.Problems)
			}
			if strings.Contains(fmt.Sprint(out.Problems), "hunter2") {
				t.Errorf("it shows what is in the Secret: %+v", out.Problems)
			}
		})
	}
}

func TestSpecsDoNotShowWhatSecretsHold(t *testing.T) {
	s := Spec{Issuer: issuer, Keys: "hunter2", Secret: "shop/keys"}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{s.String(), fmt.Sprintf("%v %+v %#v %q", s, s, s, s), string(text)} {
		if strings.Contains(got, "hunter2") {
			t.Error(got)
		}
	}
}
