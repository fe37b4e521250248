package jwt

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/remote"
	"github.com/yettproxy/yett/proxy/wire"
)

// apply adds the filter that asks for a token, before it one that keeps clients from speaking for the issuer, and behind all others one that
// takes tokens out of the query.
func apply(in *feature.Reader, out *feature.Intent) {
	if !in.HasAnnotation(issuerKey) {
		withoutIssuer(in)
		return
	}
	spec := readSpec(in)
	clear := Clear{}
	for _, h := range spec.ClaimHeaders {
		clear.Names = append(clear.Names, h.Name)
	}
	forward := in.Bool(forwardKey)
	if !forward {
		clear.Places = &spec.Places
	}
	if len(clear.Names) > 0 || !forward {
		out.AddFilter(clear)
	}
	out.AddFilter(spec)
	if !forward && len(spec.Places.Params) > 0 {
		out.AddFilter(Strip{&spec.Places})
	}
}

// withoutIssuer refuses what has no meaning without an issuer: whoever wrote it wanted to keep somebody out.
func withoutIssuer(in *feature.Reader) {
	if in.Present(issuerKey) {
		in.Refuse(issuerKey, "it is empty: write the issuer as its tokens do (iss), or remove the annotation")
		return
	}
	for i := range keys {
		if name := keys[i].Name; in.Present(name) {
			in.Refuse(name, "it does nothing without jwt-issuer: write the issuer as its tokens do (iss)")
			return
		}
	}
}

// readSpec reads the keys. What is wrong is noted and denies the routes, so the result may be nonsense then.
func readSpec(in *feature.Reader) Spec {
	s := Spec{
		Issuer:       in.Matching(issuerKey, isPrintable, "printable ASCII without spaces"),
		Audiences:    readAudiences(in),
		Algorithms:   readAlgorithms(in),
		Places:       readPlaces(in),
		Optional:     !in.Bool(requiredKey),
		ClaimHeaders: readClaimHeaders(in),
		Requirements: readRequirements(in),
	}
	switch uri, secret := in.Present(uriKey), in.Present(secretKey); {
	case uri && secret:
		in.Refuse(secretKey, "jwt-jwks-uri says where the keys are, too: remove one of the two")
	case uri:
		s.URL = in.String(uriKey)
		if err := checkURL(s.URL); err != nil {
			in.Refuse(uriKey, "%v", err)
		}
	case secret:
		s.Keys, s.Secret = readSecret(in)
	default:
		in.Refuse(issuerKey, "nothing says where the keys of the issuer are: write jwt-jwks-uri or jwt-jwks-secret")
	}
	return s
}

// readSecret reads a key set out of a Secret.
func readSecret(in *feature.Reader) (keys KeyText, full string) {
	data, full, ok := in.Secret(secretKey)
	if !ok {
		return "", ""
	}
	text, ok := data[fileKey]
	if !ok {
		in.Lack(secretKey, "the Secret %s has no key %q: put a JSON Web Key Set there", full, fileKey)
		return "", full
	}
	if _, err := parseKeySet(text); err != nil {
		in.Lack(secretKey, "Secret %s, key %s: %v", full, fileKey, err)
	}
	return KeyText(text), full
}

var (
	errVariable = errors.New("the URL holds a $: there are no variables here, write %24")
	errText     = errors.New("the URL holds a character that no URL has: encode it as %HH")
	errInsecure = errors.New("keys that come over http from outside of the cluster could be anybody's: write https://, or name a Service " +
		"(name.namespace.svc) or a private address")
)

// checkURL looks at the address of a key set.
func checkURL(text string) error {
	switch {
	case strings.Contains(text, "$"):
		return errVariable
	case !remote.IsText(text):
		return errText
	}
	if err := remote.Check(text); err != nil {
		return err
	}
	if authority, _, _ := remote.SplitTemplate(text); remote.HasPrefix(text, "http://") && !isInside(authority) {
		return errInsecure
	}
	return nil
}

// isInside reports whether an authority is a Service of the cluster or an address that is not public. Which of those may be
// reached is decided when they are dialled.
func isInside(authority string) bool {
	var arena wire.Arena
	host, ok := wire.ParseHost(authority, &arena)
	if !ok {
		return false
	}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		a = a.Unmap()
		return a.IsPrivate() || a.IsLoopback()
	}
	return strings.HasSuffix(host, ".svc") || strings.HasSuffix(host, ".svc.cluster.local")
}
