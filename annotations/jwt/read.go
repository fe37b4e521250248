package jwt

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/remote"
	"github.com/yettproxy/yett/proxy/wire"
)

// readAudiences returns jwt-audiences.
func readAudiences(in *feature.Reader) []string {
	list := in.List(audiencesKey)
	if in.Present(audiencesKey) && len(list) == 0 {
		in.Refuse(audiencesKey, "it names nobody: write the audiences as tokens do (aud), with commas between")
	}
	return list
}

// readAlgorithms returns jwt-algorithms.
func readAlgorithms(in *feature.Reader) (set Algorithms) {
	list := in.List(algorithmsKey)
	for _, name := range list {
		place, ok := algorithmNamed(name)
		switch {
		case ok:
			set |= 1 << place
		case remote.HasPrefix(name, "HS"):
			in.Refuse(algorithmsKey, "%s is symmetric, so whoever can check a token could make one: write such as RS256 or ES256", feature.Shown(name))
		default:
			in.Refuse(algorithmsKey, "%q is no algorithm: write one or more of %v", feature.Shown(name), ^Algorithms(0))
		}
	}
	if len(list) == 0 {
		in.Refuse(algorithmsKey, "it names no algorithm: write such as RS256")
	}
	return set
}

// readPlaces returns where tokens may be.
func readPlaces(in *feature.Reader) (p Places) {
	p.Params, p.Cookies = readNames(in, paramsKey), readNames(in, cookiesKey)
	if (in.HasAnnotation(paramsKey) || in.HasAnnotation(cookiesKey)) && !in.HasAnnotation(headersKey) {
		return p
	}
	for _, text := range in.List(headersKey) {
		name, scheme, _ := strings.Cut(text, " ")
		h := Header{Name: name, Scheme: strings.TrimSpace(scheme)}
		if err := checkName(name); err != nil {
			in.Refuse(headersKey, "%v", err)
		}
		if h.Scheme != "" && !wire.IsToken(h.Scheme) {
			in.Refuse(headersKey, "%q is no scheme: write one word behind the name, such as Authorization Bearer", feature.Shown(h.Scheme))
		}
		if slices.ContainsFunc(p.Headers, func(o Header) bool { return wire.EqualFold(o.Name, name) }) {
			in.Refuse(headersKey, "it names %s twice", feature.Shown(name))
		}
		p.Headers = append(p.Headers, h)
	}
	if len(p.Headers) == 0 {
		in.Refuse(headersKey, "it names no field: write such as Authorization Bearer")
	}
	return p
}

// readNames returns the names of parameters or cookies.
func readNames(in *feature.Reader, key string) []string {
	list := in.List(key)
	if in.Present(key) && len(list) == 0 {
		in.Refuse(key, "it names nothing: write names with commas between")
	}
	for i, name := range list {
		switch {
		case !wire.IsToken(name):
			in.Refuse(key, "%q is not a name: write letters, digits, - and _", feature.Shown(name))
		case slices.Contains(list[:i], name):
			in.Refuse(key, "it names %s twice", feature.Shown(name))
		}
	}
	return list
}

// checkName looks at the name of a field that carries a token or claims.
func checkName(name string) error {
	switch f := (wire.Field{Name: name, ID: wire.Lookup(name)}); {
	case !wire.IsToken(name) || strings.Contains(name, "_"):
		return fmt.Errorf("%q is not the name of a field: write letters, digits and -", feature.Shown(name))
	case f.ID == wire.Cookie:
		return errors.New("the field Cookie is a list: write the name of the cookie in jwt-from-cookies")
	case !remote.Passes(f):
		return fmt.Errorf("%s belongs to the connection, or is what the proxy itself says: write another name", feature.Shown(name))
	}
	return nil
}

// readClaimHeaders returns jwt-claim-headers.
func readClaimHeaders(in *feature.Reader) (list []ClaimHeader) {
	for _, text := range in.List(claimHeadersKey) {
		name, claim, ok := strings.Cut(text, "=")
		h := ClaimHeader{strings.TrimSpace(name), strings.TrimSpace(claim)}
		if !ok || h.Claim == "" {
			in.Refuse(claimHeadersKey, "%q is not name=claim: write such as X-User=sub", feature.Shown(text))
			continue
		}
		if err := checkName(h.Name); err != nil {
			in.Refuse(claimHeadersKey, "%v", err)
		}
		if wire.Lookup(h.Name) == wire.Authorization {
			in.Refuse(claimHeadersKey, "Authorization is where credentials stand: write another name")
		}
		if slices.ContainsFunc(list, func(o ClaimHeader) bool { return wire.EqualFold(o.Name, h.Name) }) {
			in.Refuse(claimHeadersKey, "it names %s twice", feature.Shown(h.Name))
		}
		list = append(list, h)
	}
	if len(list) == 0 && in.Present(claimHeadersKey) {
		in.Refuse(claimHeadersKey, "it names no field: write such as X-User=sub")
	}
	return list
}

// readRequirements returns jwt-require-claims.
func readRequirements(in *feature.Reader) (list []Requirement) {
	for _, text := range in.List(requireKey) {
		claim, values, ok := strings.Cut(text, "=")
		r := Requirement{strings.TrimSpace(claim), strings.Fields(values)}
		if !ok || r.Claim == "" || len(r.Values) == 0 {
			in.Refuse(requireKey, "%q is not claim=values: write such as scope=read write", feature.Shown(text))
			continue
		}
		list = append(list, r)
	}
	if len(list) == 0 && in.Present(requireKey) {
		in.Refuse(requireKey, "it asks for nothing: write such as scope=read")
	}
	return list
}

// isPrintable reports whether text is printable ASCII without spaces.
func isPrintable(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] <= 0x20 || text[i] > 0x7e {
			return false
		}
	}
	return true
}
