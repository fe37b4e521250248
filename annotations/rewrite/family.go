package rewrite

import (
	"github.com/yettproxy/yett/annotations/feature"
)

// Family declares the rewriting of paths. It goes behind redirect: a request is rewritten once it is on https.
var Family = feature.Family{
	Name:  "rewrite",
	Doc:   "Changes the path that upstreams see.",
	Order: -5,
	Keys: []feature.Key{
		{
			Name: "rewrite-target", Type: "path with $1 to $9, or URL", Risk: feature.Medium,
			Doc: "Replaces the whole path by this text, in which $1 to $9 stand for the groups of the rule's path as a regular expression. " +
				"All paths of the host become case-insensitive regular expressions. A URL answers with a 302.",
			Note: "Variables work and more characters are allowed, as in ingress-nginx without annotation validation. A result without leading slash gets one; " +
				"one with a segment . or .. is answered with 400. Groups have numbers only: (?<name>…) with $name is not known.",
		},
		{
			Name: "use-regex", Type: "bool", Default: "false",
			Doc: "Makes all paths of the host case-insensitive regular expressions.",
		},
		{
			Name: "x-forwarded-prefix", Type: "text with $1 to $9", Risk: feature.Medium,
			Doc: "Sends this as X-Forwarded-Prefix to upstreams, only together with rewrite-target.",
		},
	},
	Apply: apply,
}

// apply reads how paths are rewritten.
func apply(in *feature.Reader, out *feature.Intent) {
	out.Regex = in.Bool("use-regex")
	s := Spec{Target: text(in, "rewrite-target"), Prefix: text(in, "x-forwarded-prefix")}
	if s.Target == "" {
		if s.Prefix != "" {
			in.Remark("x-forwarded-prefix", "it is sent only together with rewrite-target, as in ingress-nginx")
		}
		return
	}
	out.Rewrite = s.Target
	out.AddFilter(s)
}

// text returns a text with captures, or "" if it is not set or cannot be compiled.
func text(in *feature.Reader, name string) string {
	v := in.Matching(name, isTarget, "a path without spaces, quotes and angle brackets; it may hold $1 to $9")
	if v == "" {
		return ""
	}
	if _, err := compile(v); err != nil {
		in.Refuse(name, "%v", err)
		return ""
	}
	return v
}

// isTarget reports whether text is visible ASCII without what no URI may hold (RFC 3986), except the
// braces of variables.
func isTarget(text string) bool {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c <= ' ', c >= 0x7f, c == '"', c == '<', c == '>', c == '\\', c == '^', c == '`', c == '|':
			return false
		}
	}
	return true
}
