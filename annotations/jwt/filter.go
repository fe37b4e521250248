package jwt

import (
	"crypto/sha256"
	"strings"
	"time"

	"github.com/yettproxy/yett/annotations/remote"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// guard lets requests in that bring a token.
type guard struct {
	optional
}

// optional lets requests in that bring no token, too, but none with a bad one. It is no access filter: to `satisfy: any`, bringing nothing is no
// reason to let anybody in.
type optional struct {
	spec     Spec
	required bool
	source   *source
	memory   *memory
	// identity tells from each other ways to check tokens that may come to different verdicts.
	identity [sha256.Size]byte
	// missing and invalid are the challenges, insufficient says what claims lack.
	missing, invalid, insufficient string
}

var (
	_ filter.AccessFilter = (*guard)(nil)
	_ filter.Filter       = (*optional)(nil)
)

// AccessKind implements filter.AccessFilter.
func (*guard) AccessKind() filter.AccessKind { return filter.ByCredentials }

// Request implements filter.Filter. The signature of a token that has been seen is not checked again.
func (f *optional) Request(x *filter.Exchange) filter.Action {
	token, count := f.spec.Places.find(x)
	if count == 0 && !f.required {
		return filter.Continue
	}
	if count != 1 {
		challenge := f.missing
		if count > 1 {
			challenge = f.invalid
		}
		return refuse(x, 401, challenge)
	}
	d := f.memory.digest(&f.identity, token)
	if set := f.source.keys(x.Start); set != nil {
		if v := f.memory.get(d, set, x.Start); v != nil {
			return f.follow(x, v)
		}
	}
	v, status := f.judge(token)
	switch {
	case v != nil:
		f.memory.put(d, v)
		return f.follow(x, v)
	case status == 401:
		return refuse(x, 401, f.invalid)
	}
	x.Reply(status)
	return filter.Done
}

// refuse answers with a challenge (RFC 6750 section 3).
func refuse(x *filter.Exchange, status int, challenge string) filter.Action {
	x.Reply(status)
	x.Response.Fields.AddKnown(wire.WWWAuthenticate, challenge)
	return filter.Done
}

// follow does what a verdict says.
func (f *optional) follow(x *filter.Exchange, v *verdict) filter.Action {
	if v.forbidden {
		return refuse(x, 403, f.insufficient)
	}
	x.User = v.user
	for i := range f.spec.ClaimHeaders {
		x.Override(f.spec.ClaimHeaders[i].Name, v.values[i]) // "" removes, as Clear has done
	}
	return filter.Continue
}

// judge checks a token. Without a verdict the status says why: 401 because of the token, 503 because there are no keys.
func (f *optional) judge(text string) (*verdict, int) {
	t, err := parse(text, f.spec.Algorithms)
	if err != nil {
		return nil, 401
	}
	now := time.Now()
	set := f.source.keys(now)
	if set == nil {
		if set = f.source.renewed(now, false); set == nil {
			return nil, 503
		}
	}
	proven, known := t.prove(set)
	if !proven && !known {
		if fresh := f.source.renewed(now, true); fresh != nil && fresh != set {
			set = fresh
			proven, _ = t.prove(set)
		}
	}
	if !proven {
		return nil, 401
	}
	c, err := readClaims(t.payload)
	if err != nil {
		return nil, 401
	}
	end, err := c.check(f.spec.Issuer, f.spec.Audiences, time.Now())
	if err != nil {
		return nil, 401
	}
	return f.verdict(c, set, end), 0
}

// verdict says what becomes of a token with these claims.
func (f *optional) verdict(c claims, set *keySet, end time.Time) *verdict {
	v := &verdict{set: set, until: end}
	for _, r := range f.spec.Requirements {
		if !c.meets(r) {
			v.forbidden = true
			return v
		}
	}
	v.user = c.text("sub")
	for _, h := range f.spec.ClaimHeaders {
		v.values = append(v.values, c.text(h.Claim))
	}
	return v
}

// clearer is the filter of Clear.
type clearer struct {
	names  []string
	places *Places // nil if the Service is to see the token
}

var _ filter.Filter = clearer{}

// Request implements filter.Filter.
func (f clearer) Request(x *filter.Exchange) filter.Action {
	for _, name := range f.names {
		x.Override(name, "")
	}
	if len(f.names) > 0 {
		f.clearAliases(x)
	}
	if f.places != nil {
		f.places.hide(x)
	}
	return filter.Continue
}

// clearAliases removes fields that a Service could take for one of ours, since many cannot tell "_" from "-". By default no
// name with "_" comes this far.
func (f clearer) clearAliases(x *filter.Exchange) {
	for i := range x.Request.Fields.Len() {
		field := *x.Request.Fields.At(i)
		if strings.IndexByte(field.Name, '_') < 0 {
			continue
		}
		plain := remote.Plain(field).Name
		for _, name := range f.names {
			if wire.EqualFold(plain, name) {
				x.Override(field.Name, "")
			}
		}
	}
}

// stripper is the filter of Strip.
type stripper struct{ places *Places }

var _ filter.Filter = stripper{}

// Request implements filter.Filter.
func (f stripper) Request(x *filter.Exchange) filter.Action {
	f.places.hideParams(x)
	return filter.Continue
}
