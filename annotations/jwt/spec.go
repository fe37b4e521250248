package jwt

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
)

// KeyText is a key set that was given. However it is printed, it does not show: somebody may have left private keys in it.
type KeyText string

// String implements fmt.Stringer.
func (KeyText) String() string { return "[hidden]" }

// GoString implements fmt.GoStringer.
func (KeyText) GoString() string { return "[hidden]" }

// MarshalText implements encoding.TextMarshaler.
func (KeyText) MarshalText() ([]byte, error) { return []byte("[hidden]"), nil }

// ClaimHeader is a field for the Service with the value of a claim.
type ClaimHeader struct{ Name, Claim string }

// Requirement is a claim that must have one of some values.
type Requirement struct {
	Claim  string
	Values []string
}

// Spec is the filter that asks for a token.
type Spec struct {
	// Issuer is who must have issued it (iss), Audiences for whom (aud), one of them; none for anybody.
	Issuer    string
	Audiences []string
	// URL is where its keys are fetched from, or "". Else Keys are they, and Secret is where they stand, for people.
	URL    string
	Keys   KeyText
	Secret string
	// Algorithms are those that it may be signed with.
	Algorithms Algorithms
	// Places are where it may be.
	Places Places
	// Optional lets in who brings none.
	Optional bool
	// ClaimHeaders are fields for the Service.
	ClaimHeaders []ClaimHeader
	// Requirements must all be met, else the answer is 403.
	Requirements []Requirement
}

var _ filter.Spec = Spec{}

// Phase implements filter.Spec.
func (Spec) Phase() filter.Phase { return filter.Access }

// String implements filter.Spec.
func (s Spec) String() string {
	keys := "keys from " + s.URL
	if s.URL == "" {
		keys = "keys of " + s.Secret
	}
	b := fmt.Sprintf("jwt(%s, %s, %v, in %v", s.Issuer, keys, s.Algorithms, &s.Places)
	if len(s.Audiences) > 0 {
		b += ", for " + strings.Join(s.Audiences, " ")
	}
	if s.Optional {
		b += ", or none"
	}
	for _, h := range s.ClaimHeaders {
		b += ", " + h.Name + " from " + h.Claim
	}
	for _, r := range s.Requirements {
		b += ", " + r.Claim + " is " + strings.Join(r.Values, " or ")
	}
	return b + ")"
}

// The keys of what is kept in filter.State.
type (
	givenKey  [sha256.Size]byte
	sourceKey struct{ url string }
	memoryKey struct{}
)

var errNoHTTP = errors.New("there is nothing to send requests with")

// New implements filter.Spec. Keys begin to be fetched here, off the request path.
func (s Spec) New(env *filter.Env) (filter.Filter, error) {
	f := optional{
		spec: s, required: !s.Optional, memory: filter.StateFor(env.State, memoryKey{}, newMemory), identity: s.identity(),
		missing: "Bearer realm=" + quote(s.Issuer), invalid: `Bearer error="invalid_token"`, insufficient: `Bearer error="insufficient_scope"`,
	}
	var err error
	if f.source, err = s.source(env); err != nil {
		return nil, err
	}
	f.source.warm()
	if s.Optional {
		return &f, nil
	}
	return &guard{f}, nil
}

// source returns where the keys come from. Routes that name the same place share it.
func (s Spec) source(env *filter.Env) (*source, error) {
	if s.URL == "" {
		type parsed struct {
			source *source
			err    error
		}
		p := filter.StateFor(env.State, givenKey(sha256.Sum256([]byte(s.Keys))), func() parsed {
			set, err := parseKeySet([]byte(s.Keys))
			return parsed{given(set), err}
		})
		if p.err != nil {
			return nil, fmt.Errorf("read keys of Secret %q: %w", s.Secret, p.err)
		}
		return p.source, nil
	}
	if env.HTTP == nil {
		return nil, errNoHTTP
	}
	return filter.StateFor(env.State, sourceKey{s.URL}, func() *source {
		return &source{url: s.URL, http: env.HTTP, ctx: env.Context, errors: env.Errors}
	}), nil
}

// identity is a hash of all that decides about the verdict on a token, but the keys themselves.
func (s Spec) identity() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %d %q %q", s.Issuer, s.Audiences, s.URL, string(s.Keys), s.Algorithms, s.ClaimHeaders, s.Requirements))
}

// quote writes a text as a quoted-string (RFC 9110 section 5.6.4). It has only printable ASCII.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// Clear is the filter that takes from clients the fields that are the issuer's to fill, and the token from the Service. It runs before access
// control, and also where `satisfy: any` lets a client in without a token: else such a client could claim to be anybody.
type Clear struct {
	Names []string
	// Places are where tokens are removed; nil for nowhere.
	Places *Places
}

var _ filter.Spec = Clear{}

// Phase implements filter.Spec.
func (Clear) Phase() filter.Phase { return filter.Limit }

// String implements filter.Spec.
func (s Clear) String() string {
	b := "clear-claims(" + strings.Join(s.Names, " ")
	if s.Places != nil {
		b += ", tokens in " + s.Places.String()
	}
	return b + ")"
}

// New implements filter.Spec.
func (s Clear) New(*filter.Env) (filter.Filter, error) { return clearer{s.Names, s.Places}, nil }

// Strip is the filter that takes tokens out of the query for the Service. It runs last, when everything is rewritten.
type Strip struct{ Places *Places }

var _ filter.Spec = Strip{}

// Phase implements filter.Spec.
func (Strip) Phase() filter.Phase { return filter.Header }

// String implements filter.Spec.
func (s Strip) String() string { return "strip-parameters(" + strings.Join(s.Places.Params, " ") + ")" }

// New implements filter.Spec.
func (s Strip) New(*filter.Env) (filter.Filter, error) { return stripper{s.Places}, nil }
