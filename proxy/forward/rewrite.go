package forward

import (
	"fmt"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/pattern"
	"github.com/yettproxy/yett/proxy/variable"
)

// rewriter replaces a text by another as nginx's proxy_redirect, proxy_cookie_domain and proxy_cookie_path
// do: from is a literal text, or "~" (case-sensitive) or "~*" and a regular expression, whose captures $1 to $9
// to may use; to may use variables. It is immutable.
type rewriter struct {
	from    string
	pattern *pattern.Pattern
	// parts is to, cut at the captures.
	parts []rewritePart
}

// rewritePart is a text with variables, or the number of a capture.
type rewritePart struct {
	text    *variable.Template
	capture int
}

// compileRewriting compiles what the policy says about addresses in responses.
func (p *Plan) compileRewriting(policy *ir.Policy) (err error) {
	if p.redirect, err = newRewriter(policy.RedirectFrom, policy.RedirectTo); err != nil {
		return fmt.Errorf("compile proxy-redirect: %w", err)
	}
	domainFrom, domainTo, _ := strings.Cut(policy.CookieDomain, " ")
	if p.cookieDomain, err = newRewriter(strings.TrimPrefix(domainFrom, "."), strings.TrimSpace(domainTo)); err != nil {
		return fmt.Errorf("compile proxy-cookie-domain: %w", err)
	}
	pathFrom, pathTo, _ := strings.Cut(policy.CookiePath, " ")
	if p.cookiePath, err = newRewriter(pathFrom, strings.TrimSpace(pathTo)); err != nil {
		return fmt.Errorf("compile proxy-cookie-path: %w", err)
	}
	return nil
}

// newRewriter compiles one replacement; nil if there is nothing to replace. "default" does nothing, since
// what nginx would derive it from is the internal name of its only upstream.
func newRewriter(from, to string) (*rewriter, error) {
	if from == "" || from == "off" || from == "default" || to == "off" || to == "default" {
		return nil, nil
	}
	r := &rewriter{from: from}
	if expr, ok := strings.CutPrefix(from, "~"); ok {
		fold := strings.HasPrefix(expr, "*")
		p, err := pattern.Compile(strings.TrimPrefix(expr, "*"), fold)
		if err != nil {
			return nil, err
		}
		r.pattern = p
	}
	return r, r.parse(to)
}

// parse cuts the replacement at its captures.
func (r *rewriter) parse(to string) error {
	add := func(text string) error {
		if text == "" {
			return nil
		}
		t, err := variable.Compile(text)
		r.parts = append(r.parts, rewritePart{text: t})
		return err
	}
	start := 0
	for i := 0; i+1 < len(to); i++ {
		if to[i] != '$' || to[i+1] < '1' || to[i+1] > '9' || r.pattern == nil {
			continue
		}
		if err := add(to[start:i]); err != nil {
			return err
		}
		r.parts = append(r.parts, rewritePart{capture: int(to[i+1] - '0')})
		start = i + 2
		i++
	}
	return add(to[start:])
}

// replacement returns what a match is replaced by.
func (r *rewriter) replacement(x *filter.Exchange, captures *[10]string) string {
	out := ""
	for i := range r.parts {
		part := captures[r.parts[i].capture]
		if t := r.parts[i].text; t != nil {
			part = t.Text(x)
		}
		out = x.Arena.Concat(out, part)
	}
	return out
}

// prefix replaces the beginning of a text, or all of it by a regular expression.
func (r *rewriter) prefix(x *filter.Exchange, text string) string {
	var captures [10]string
	if r.pattern != nil {
		if !r.pattern.Captures(text, &captures) {
			return text
		}
		return r.replacement(x, &captures)
	}
	rest, ok := strings.CutPrefix(text, r.from)
	if !ok {
		return text
	}
	return x.Arena.Concat(r.replacement(x, &captures), rest)
}

// whole replaces a text that is from in any case, a leading dot aside: domains of cookies.
func (r *rewriter) whole(x *filter.Exchange, text string) string {
	var captures [10]string
	bare := strings.TrimPrefix(text, ".")
	if r.pattern != nil && r.pattern.Captures(bare, &captures) || r.pattern == nil && strings.EqualFold(bare, r.from) {
		return r.replacement(x, &captures)
	}
	return text
}

// refresh replaces the beginning of the URL in a Refresh field: "5; url=http://…".
func (r *rewriter) refresh(x *filter.Exchange, value string) string {
	at := indexFold(value, "url=")
	if at < 0 {
		return value
	}
	url := r.prefix(x, value[at+4:])
	return x.Arena.Concat(value[:at+4], url)
}

// attribute replaces the value of an attribute of a Set-Cookie field: Domain or Path.
func (r *rewriter) attribute(x *filter.Exchange, cookie, name string) string {
	for at := strings.IndexByte(cookie, ';'); at >= 0; {
		start := at + 1
		for start < len(cookie) && cookie[start] == ' ' {
			start++
		}
		end := len(cookie)
		next := strings.IndexByte(cookie[start:], ';')
		if next >= 0 {
			end = start + next
		}
		if key, value, ok := strings.Cut(cookie[start:end], "="); ok && strings.EqualFold(strings.TrimSpace(key), name) {
			changed := ""
			if name == "domain" {
				changed = r.whole(x, value)
			} else {
				changed = r.prefix(x, value)
			}
			return x.Arena.Concat(cookie[:start], key, "=", changed, cookie[end:])
		}
		if next < 0 {
			break
		}
		at = end
	}
	return cookie
}

// indexFold returns where part is in s, in any case, or -1.
func indexFold(s, part string) int {
	for i := 0; i+len(part) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(part)], part) {
			return i
		}
	}
	return -1
}
