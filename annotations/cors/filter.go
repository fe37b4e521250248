package cors

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// Spec says what other origins may do.
type Spec struct {
	// Origins are those allowed, joined by commas, or "*".
	Origins string
	// Methods, Headers and Expose are the values of Access-Control-Allow-Methods, -Allow-Headers and
	// -Expose-Headers; without Expose there is no such field.
	Methods, Headers, Expose string
	// Credentials adds Access-Control-Allow-Credentials. MaxAge is Access-Control-Max-Age in seconds.
	Credentials bool
	MaxAge      int
}

var _ filter.Spec = Spec{}

// Phase implements filter.Spec.
func (Spec) Phase() filter.Phase { return filter.Preflight }

// String implements filter.Spec.
func (s Spec) String() string {
	text := fmt.Sprintf("cors origins=%s methods=%q headers=%q max-age=%d", s.Origins, s.Methods, s.Headers, s.MaxAge)
	if s.Expose != "" {
		text += fmt.Sprintf(" expose=%q", s.Expose)
	}
	if s.Credentials {
		text += " credentials"
	}
	return text
}

// allowOrigin is the field that says whom a response is for.
const allowOrigin = "Access-Control-Allow-Origin"

// New implements filter.Spec.
func (s Spec) New(*filter.Env) (filter.Filter, error) {
	f := &cors{any: s.Origins == "*"}
	if !f.any {
		for text := range strings.SplitSeq(s.Origins, ",") {
			o, err := parseOrigin(text)
			if err != nil {
				return nil, fmt.Errorf("parse origin %q: %w", text, err)
			}
			f.origins = append(f.origins, o)
		}
	}
	add := func(name, value string) {
		f.fields = append(f.fields, wire.Field{Name: name, Value: value, ID: wire.Lookup(name)})
	}
	if s.Credentials {
		add("Access-Control-Allow-Credentials", "true")
	}
	add("Access-Control-Allow-Methods", s.Methods)
	add("Access-Control-Allow-Headers", s.Headers)
	if s.Expose != "" {
		add("Access-Control-Expose-Headers", s.Expose)
	}
	add("Access-Control-Max-Age", strconv.Itoa(s.MaxAge))
	return f, nil
}

// cors is Spec built for a route.
type cors struct {
	// any allows all origins, also requests that name none.
	any     bool
	origins []origin
	// fields are those that are the same for all origins.
	fields []wire.Field
}

var _ filter.ResponseFilter = (*cors)(nil)

// allowed returns the value of Access-Control-Allow-Origin, or false if the request came from an origin
// that is not allowed.
func (f *cors) allowed(x *filter.Exchange) (string, bool) {
	if f.any {
		return "*", true
	}
	from, ok := x.Request.Fields.Get(wire.Origin)
	if !ok {
		return "", false
	}
	for i := range f.origins {
		if f.origins[i].matches(from) {
			return from, true
		}
	}
	return "", false
}

// Request implements filter.Filter: it answers preflights. nginx takes every OPTIONS for one.
func (f *cors) Request(x *filter.Exchange) filter.Action {
	if x.Request.Method != "OPTIONS" {
		return filter.Continue
	}
	if _, ok := f.allowed(x); !ok {
		return filter.Continue
	}
	x.ReplyText(204, "text/plain charset=UTF-8", "")
	return filter.Done
}

// Response implements filter.ResponseFilter. What the upstream says about the same things is replaced.
func (f *cors) Response(x *filter.Exchange) {
	fields := &x.Response.Fields
	if !f.any {
		varyByOrigin(fields)
	}
	from, ok := f.allowed(x)
	if !ok {
		return
	}
	fields.Set(allowOrigin, from)
	for i := range f.fields {
		fields.Del(f.fields[i].Name)
		fields.Append(f.fields[i])
	}
}

// varyByOrigin tells caches that the response depends on Origin, unless they have been told already.
func varyByOrigin(fields *wire.Fields) {
	for i := range fields.Len() {
		if f := fields.At(i); f.ID == wire.Vary && hasToken(f.Value, "Origin") {
			return
		}
	}
	fields.AddKnown(wire.Vary, "Origin")
}

// hasToken reports whether a list has a token, in any case, or "*".
func hasToken(list, token string) bool {
	for list != "" {
		var part string
		part, list, _ = strings.Cut(list, ",")
		part = strings.Trim(part, " \t")
		if part == "*" || wire.EqualFold(part, token) {
			return true
		}
	}
	return false
}
