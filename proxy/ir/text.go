package ir

// The text of a Config is for golden files, debugging and people: every line says one thing, defaults are
// left out, and nothing secret is shown. It is never parsed. What differs from the defaults is found by
// reflection, so that a new field of Policy or Settings shows up here without anybody's help.

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
)

// Text returns the Config as indented lines. Equal Configs have equal texts.
func (c *Config) Text() string {
	t := &text{}
	for _, d := range differences(c.Settings, DefaultSettings()) {
		t.line(0, "settings ", d)
	}
	for i := range c.Certificates {
		t.line(0, "certificate ", c.Certificates[i].String())
	}
	for i := range c.Upstreams {
		u := &c.Upstreams[i]
		t.line(0, "upstream ", u.Key.String())
		t.fields(1, "balance", differences(u.Balance, Balance{}))
		if u.ServiceUpstream {
			t.line(1, "service-upstream")
		}
	}
	for _, s := range c.Streams {
		t.line(0, "stream ", s.String())
	}
	for i := range c.Hosts {
		t.host(&c.Hosts[i])
	}
	return t.b.String()
}

// text collects lines.
type text struct{ b strings.Builder }

// line adds a line, indented by two spaces for each level.
func (t *text) line(level int, parts ...string) {
	for range level {
		t.b.WriteString("  ")
	}
	for _, p := range parts {
		t.b.WriteString(p)
	}
	t.b.WriteByte('\n')
}

// fields adds a line of fields, unless there are none.
func (t *text) fields(level int, name string, list []string) {
	if len(list) > 0 {
		t.line(level, name, " ", strings.Join(list, " "))
	}
}

// host adds a virtual host.
func (t *text) host(v *VirtualHost) {
	name := v.Name
	if name == "" {
		name = "*"
	}
	t.line(0, "host ", name)
	if len(v.Aliases) > 0 {
		t.line(1, "aliases ", strings.Join(v.Aliases, " "))
	}
	switch {
	case !v.Certificate.IsZero():
		t.line(1, "tls ", v.Certificate.String(), when(!v.TLS, " (no redirect)"))
	case v.TLS:
		t.line(1, "tls with the default certificate")
	}
	if !v.Passthrough.IsZero() {
		t.line(1, "tls unopened -> ", v.Passthrough.String())
	}
	if v.AppRoot != "" {
		t.line(1, "app-root ", v.AppRoot)
	}
	if v.RedirectHost != "" {
		t.line(1, "redirect ", strconv.Itoa(v.RedirectCode), " to ", v.RedirectHost)
	}
	if v.Deny != 0 {
		t.line(1, "deny ", strconv.Itoa(v.Deny))
	}
	if v.ClientAuth.Mode != VerifyNone {
		t.line(1, "client-certificates ", v.ClientAuth.String())
	}
	if v.Ciphers != "" {
		t.line(1, "ciphers ", v.Ciphers)
	}
	if v.Regex {
		t.line(1, "regex")
	}
	// The order of routes means nothing, so the text has its own.
	routes := make([]*Route, len(v.Routes))
	for i := range v.Routes {
		routes[i] = &v.Routes[i]
	}
	slices.SortStableFunc(routes, func(a, b *Route) int {
		if c := strings.Compare(a.Path, b.Path); c != 0 {
			return c
		}
		return int(a.Type) - int(b.Type)
	})
	for _, r := range routes {
		t.route(r)
	}
}

// route adds a route.
func (t *text) route(r *Route) {
	t.line(1, r.Type.String(), " ", r.Path, when(r.Literal, " (literal)"), " -> ", target(&r.Backend))
	if o := r.Origin; o.Ingress != "" {
		t.line(2, "from ", o.Namespace, "/", o.Ingress, when(o.Service != "", " service "+o.Service+":"+o.ServicePort))
	}
	if r.Deny != 0 {
		t.line(2, "deny ", strconv.Itoa(r.Deny), ": ", r.DenyReason)
	}
	if c := r.Backend.Canary; c != nil {
		t.line(2, "canary ", c.String())
	}
	if d := r.Backend.Default; !d.IsZero() {
		t.line(2, "without endpoints -> ", d.String())
	}
	if e := r.Backend.Errors; !e.IsZero() {
		pages := "pages of our own"
		if !r.Backend.ErrorPages.IsZero() {
			pages = r.Backend.ErrorPages.String()
		}
		t.line(2, "errors ", e.String(), " -> ", pages)
	}
	for _, f := range r.Filters {
		t.line(2, describe(f))
	}
	if r.SatisfyAny {
		t.line(2, "satisfy any")
	}
	t.fields(2, "policy", differences(r.Policy, DefaultPolicy()))
	if !r.AccessLog {
		t.line(2, "no access log")
	}
}

// describe returns the phase and the description of a filter.
func describe(f filter.Spec) string {
	if f == nil {
		return "nothing"
	}
	return f.Phase().String() + " " + f.String()
}

// target says where a backend leads.
func target(b *Backend) string {
	if b.Upstream.IsZero() {
		return strconv.Itoa(b.Missing)
	}
	return b.Upstream.String()
}

// when returns s if it is to be shown.
func when(shown bool, s string) string {
	if shown {
		return s
	}
	return ""
}

// String returns the canary's upstream and its rules, without those that are not set.
func (c *Canary) String() string {
	s := c.Upstream.String()
	if c.Header != "" {
		s += " header=" + c.Header
	}
	if c.HeaderValue != "" {
		s += " value=" + c.HeaderValue
	}
	if c.HeaderPattern != "" {
		s += " pattern=" + c.HeaderPattern
	}
	if c.Cookie != "" {
		s += " cookie=" + c.Cookie
	}
	return s + " weight=" + strconv.Itoa(c.Weight) + "/" + strconv.Itoa(c.Total)
}

// differences returns "Name=value" for each field of a struct, at any depth, that is not as in another one
// of the same type.
func differences(have, normal any) []string {
	var list []string
	compare("", reflect.ValueOf(have), reflect.ValueOf(normal), &list)
	return list
}

var stringer = reflect.TypeFor[fmt.Stringer]()

// compare collects the differences of two values. Structs that can describe themselves are taken whole.
func compare(name string, have, normal reflect.Value, list *[]string) {
	t := have.Type()
	if t.Kind() != reflect.Struct || t.Implements(stringer) {
		if !reflect.DeepEqual(have.Interface(), normal.Interface()) {
			*list = append(*list, name+"="+show(name, have))
		}
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		inner := f.Name
		if name != "" {
			inner = name + "." + f.Name
		}
		compare(inner, have.Field(i), normal.Field(i), list)
	}
}

// show returns a value for people. Keys and certificates are not shown.
func show(name string, v reflect.Value) string {
	if v.Kind() == reflect.String && !v.Type().Implements(stringer) {
		s := v.String()
		if strings.HasSuffix(name, "Key") || strings.Contains(s, "-----BEGIN") {
			return fmt.Sprintf("(%d bytes)", len(s))
		}
		if s == "" || strings.ContainsAny(s, " \t\r\n\"=") {
			return strconv.Quote(s)
		}
		return s
	}
	return fmt.Sprint(v.Interface())
}
