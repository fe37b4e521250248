package forward

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// affinity is cookie affinity ready for use.
type affinity struct {
	name   string
	sticky upstream.Sticky
	renew  bool
	// issues says that this location hands out cookies: its Ingress asked for affinity. Others of the same
	// Service only follow those that exist.
	issues bool
	// attributes are Max-Age, Domain and Path.
	attributes      string
	expires         time.Duration
	secure          bool
	partitioned     bool
	sameSite        string
	conditionalNone bool
}

// newAffinity compiles the settings for one location.
func newAffinity(a *ir.Affinity, o *filter.Origin) *affinity {
	c := &affinity{
		name: a.Name, sticky: upstream.Balanced, renew: a.ChangeOnFailure, secure: a.Secure,
		conditionalNone: a.ConditionalNone, partitioned: a.Partitioned,
		issues: a.Locations == "" || slices.Contains(strings.Split(a.Locations, ","), o.Namespace+"/"+o.Ingress),
	}
	if a.Persistent {
		c.sticky = upstream.Persistent
	}
	if n, err := strconv.ParseInt(a.Expires, 10, 32); err == nil {
		c.expires = time.Duration(n) * time.Second
	}
	var b strings.Builder
	if _, err := strconv.ParseInt(a.MaxAge, 10, 64); err == nil {
		b.WriteString("; Max-Age=" + a.MaxAge)
	}
	if a.Domain != "" {
		b.WriteString("; Domain=" + a.Domain)
	}
	path := a.Path
	if path == "" {
		path = cookiePath(o.Path)
	}
	c.attributes = b.String() + "; Path=" + path
	for _, known := range []string{"Strict", "Lax", "None"} {
		if strings.EqualFold(a.SameSite, known) {
			c.sameSite = known
		}
	}
	return c
}

// cookiePath returns the path of a rule as the Path of a cookie (RFC 6265 section 4.1.1): up to the last slash before
// the first byte that cannot stand there.
func cookiePath(path string) string {
	for i := 0; i < len(path); i++ {
		if c := path[i]; c <= ' ' || c >= 0x7f || c == ';' {
			return path[:strings.LastIndexByte(path[:i], '/')+1]
		}
	}
	return path
}

// choose fills in a choice from the client's cookies.
func (a *affinity) choose(x *filter.Exchange, u *upstream.Upstream, c *upstream.Choice) {
	c.Sticky, c.Renew = a.sticky, a.renew
	if cookie, ok := x.Affinity(a.name, u); ok {
		c.Key, c.HasKey = cookie.Key, true
	}
}

// issue adds the cookie to the response if the client needs a new one. The attributes are in the order of
// ingress-nginx's cookie library.
func (a *affinity) issue(x *filter.Exchange, u *upstream.Upstream, c *upstream.Choice) {
	if !c.NewKey || !a.issues {
		return
	}
	b := append(x.Arena.Begin(), a.name...)
	b = append(b, '=')
	b = upstream.Cookie{Key: c.Key, Owner: u.Hash()}.Append(b)
	if a.expires != 0 {
		b = append(b, "; Expires="...)
		b = time.Now().Add(a.expires).UTC().AppendFormat(b, "Mon, 02-Jan-06 15:04:05 GMT")
	}
	b = append(b, a.attributes...)
	secure := a.secure || x.Scheme == "https"
	if secure {
		b = append(b, "; Secure"...)
	}
	b = append(b, "; HttpOnly"...)
	if a.sameSite != "" && !(a.sameSite == "None" && a.conditionalNone && refusesNone(x.Request.Fields.Value(wire.UserAgent))) {
		b = append(b, "; SameSite="...)
		b = append(b, a.sameSite...)
	}
	if a.partitioned && secure { // browsers drop it otherwise
		b = append(b, "; Partitioned"...)
	}
	x.ResponseAdd.AddKnown(wire.SetCookie, x.Arena.End(b))
}

// refusesNone reports whether a browser takes SameSite=None for Strict or drops the cookie: old Chrome, iOS
// 12, and Safari on macOS 10.14. The list is ingress-nginx's.
func refusesNone(agent string) bool {
	for _, old := range [...]string{"Chrome/4", "Chrome/5", "Chrome/6", "CPU iPhone OS 12", "iPad; CPU OS 12"} {
		if strings.Contains(agent, old) {
			return true
		}
	}
	return strings.Contains(agent, "Intel Mac OS X 10_14") && strings.Contains(agent, "Safari") &&
		!strings.Contains(agent, "Chrome")
}
