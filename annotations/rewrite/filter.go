package rewrite

import (
	"fmt"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/pattern"
	"github.com/yettproxy/yett/proxy/wire"
)

// Spec rewrites the path of a route.
type Spec struct {
	// Target is the new path, with captures of the route's path; or a URL to redirect to.
	Target string
	// Prefix is sent as X-Forwarded-Prefix, if not "".
	Prefix string
}

var _ filter.Spec = Spec{}

// Phase implements filter.Spec. As in nginx a redirect comes before access control, while a rewrite must not be
// seen by it.
func (s Spec) Phase() filter.Phase {
	if s.redirects() {
		return filter.Redirect
	}
	return filter.Rewrite
}

// String implements filter.Spec.
func (s Spec) String() string {
	if s.Prefix == "" {
		return "rewrite " + s.Target
	}
	return "rewrite " + s.Target + " prefix " + s.Prefix
}

// redirects reports whether nginx takes the target for a redirect.
func (s Spec) redirects() bool {
	return strings.HasPrefix(s.Target, "http://") || strings.HasPrefix(s.Target, "https://") || strings.HasPrefix(s.Target, "$scheme")
}

// New implements filter.Spec.
func (s Spec) New(env *filter.Env) (filter.Filter, error) {
	if s.Target == env.Route.Path {
		return pass{}, nil // nginx gets no rewrite then, and no prefix either
	}
	match, err := pattern.Compile(env.Route.Path, true)
	if err != nil {
		return nil, fmt.Errorf("compile path %q for rewrite-target: %w", env.Route.Path, err)
	}
	f := rewriter{match: match}
	target := s.Target
	if strings.HasSuffix(target, "?") {
		target, f.dropQuery = target[:len(target)-1], true
	}
	path, args, hasArgs := strings.Cut(target, "?")
	f.hasArgs = hasArgs
	if f.path, err = compile(path); err == nil {
		if f.args, err = compile(args); err == nil {
			f.prefix, err = compile(s.Prefix)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("compile rewrite-target %q: %w", s.Target, err)
	}
	f.groups = hasGroups(f.path) || hasGroups(f.args) || hasGroups(f.prefix)
	if s.redirects() {
		return &redirector{f}, nil
	}
	return &f, nil
}

// pass is the filter of a route that is not rewritten.
type pass struct{}

// Request implements filter.Filter.
func (pass) Request(*filter.Exchange) filter.Action { return filter.Continue }

// rewriter is Spec built for a route.
type rewriter struct {
	match *pattern.Pattern
	// groups says that captures are needed; finding them costs more than matching.
	groups             bool
	path, args, prefix []part
	// hasArgs says that the target has arguments, even if they are empty; dropQuery that the client's are dropped.
	hasArgs, dropQuery bool
}

var (
	_ filter.Filter = (*rewriter)(nil)
	_ filter.Filter = (*redirector)(nil)
)

// Request implements filter.Filter.
func (f *rewriter) Request(x *filter.Exchange) filter.Action {
	var captures [pattern.Groups]string
	found, err := f.find(x, &captures)
	if err != nil {
		x.Reply(500)
		return filter.Done
	}
	if found {
		var ok bool
		if x.Target, ok = f.target(x, &captures); !ok {
			x.Target = ""
			x.Reply(400)
			return filter.Done
		}
	}
	if len(f.prefix) != 0 {
		b := appendParts(x.Arena.Begin(), f.prefix, x, &captures, inValue, inValue, inValue)
		x.Override(wire.XForwardedPrefix.String(), x.Arena.End(b))
	}
	return filter.Continue
}

// find applies the route's path to the request's. An error says that nobody knows: the request must not go upstream
// as it came, where it means something else.
func (f *rewriter) find(x *filter.Exchange, captures *[pattern.Groups]string) (bool, error) {
	if f.groups {
		return f.match.Find(x.Request.Path, captures)
	}
	return f.match.Find(x.Request.Path, nil)
}

// target composes the target for the upstream. It always begins with a slash: a request for anything
// else is not HTTP. It is false for a path with dot segments: with /api(.*) and /$1 a request for /api../admin would
// become /../admin, which is another path than the one that access control has seen.
func (f *rewriter) target(x *filter.Exchange, captures *[pattern.Groups]string) (target string, ok bool) {
	b := appendParts(x.Arena.Begin(), f.path, x, captures, inPath, inPath, inPath)
	if len(b) == 0 || b[0] != '/' {
		b = append(b, 0)
		copy(b[1:], b)
		b[0] = '/'
	}
	if hasDotSegment(b) {
		return "", false
	}
	return x.Arena.End(f.appendQuery(b, x, captures, nil)), true
}

// hasDotSegment reports whether a path has a segment "." or "..".
func hasDotSegment(path []byte) bool {
	for i, c := range path {
		if c != '.' || path[i-1] != '/' { // a path begins with a slash
			continue
		}
		rest := path[i+1:]
		if len(rest) > 0 && rest[0] == '.' {
			rest = rest[1:]
		}
		if len(rest) == 0 || rest[0] == '/' {
			return true
		}
	}
	return false
}

// appendQuery appends the arguments of the target and those of the client, the latter with the bytes of
// query encoded. Like nginx it encodes captures only if the client's path had something encoded.
func (f *rewriter) appendQuery(b []byte, x *filter.Exchange, captures *[pattern.Groups]string, query *set) []byte {
	mark := len(b)
	b = append(b, '?')
	if f.hasArgs {
		groups := inQuery
		if escaped(x.Request.Target) {
			groups = inArgs
		}
		b = appendParts(b, f.args, x, captures, nil, groups, inQuery)
	}
	if !f.dropQuery && x.Request.Query != "" {
		if f.hasArgs {
			b = append(b, '&')
		}
		b = appendEncoded(b, x.Request.Query, query)
	}
	if len(b) == mark+1 {
		return b[:mark]
	}
	return b
}

// escaped reports whether the path of a raw target has a "%" or a "+".
func escaped(target string) bool {
	for i := 0; i < len(target); i++ {
		switch target[i] {
		case '?':
			return false
		case '%', '+':
			return true
		}
	}
	return false
}

// redirector answers with a redirect instead.
type redirector struct{ rewriter }

// Request implements filter.Filter.
func (f *redirector) Request(x *filter.Exchange) filter.Action {
	var captures [pattern.Groups]string
	switch found, err := f.find(x, &captures); {
	case err != nil:
		x.Reply(500)
		return filter.Done
	case !found:
		return filter.Continue
	}
	b := appendParts(x.Arena.Begin(), f.path, x, &captures, nil, inPath, inQuery)
	x.RedirectTo(302, x.Arena.End(f.appendQuery(b, x, &captures, inQuery)))
	return filter.Done
}
