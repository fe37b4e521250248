package observe

import (
	"fmt"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/pattern"
	"github.com/yettproxy/yett/proxy/variable"
	"github.com/yettproxy/yett/proxy/wire"
)

// DefaultLogFormat is ingress-nginx's upstreaminfo.
const DefaultLogFormat = `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" ` +
	`"$http_user_agent" $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] ` +
	`$upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id`

// LogFormat is a compiled access-log format, with what is not to be logged. It is immutable.
type LogFormat struct {
	line   *variable.Template
	escape variable.Escape
	// disabled writes nothing; unmatched writes requests that no Ingress matched.
	disabled, unmatched bool
	// skip are request URIs that are not logged, and skipMatch patterns of them.
	skip      []string
	skipMatch []*pattern.Pattern
}

// CompileLog compiles the settings. An unknown variable in the format and a broken pattern are errors; the
// caller goes on with the last format that compiled.
//
// SkipURLs are what nginx's map takes: whole request URIs with their query, of which case does not matter,
// "~" and a regular expression, or "~*" and one that ignores case.
func CompileLog(s ir.LogSettings) (*LogFormat, error) {
	f := &LogFormat{disabled: s.Disabled, unmatched: s.DefaultBackend}
	text := s.Format
	if text == "" {
		text = DefaultLogFormat
	}
	var err error
	if f.line, err = variable.Compile(text); err != nil {
		return nil, fmt.Errorf("compile access log: %w", err)
	}
	switch {
	case s.EscapeNone:
		f.escape = variable.EscapeNone
	case s.EscapeJSON:
		f.escape = variable.EscapeJSON
	}
	for _, url := range s.SkipURLs {
		expr, isPattern := strings.CutPrefix(url, "~")
		if !isPattern {
			f.skip = append(f.skip, url)
			continue
		}
		expr, fold := strings.CutPrefix(expr, "*")
		p, err := pattern.Compile(expr, fold)
		if err != nil {
			return nil, fmt.Errorf("compile skip-access-log-urls %q: %w", url, err)
		}
		f.skipMatch = append(f.skipMatch, p)
	}
	return f, nil
}

// wants reports whether the exchange is to be logged.
func (f *LogFormat) wants(x *filter.Exchange) bool {
	if f.disabled || !f.unmatched && isUnmatched(x) {
		return false
	}
	for _, url := range f.skip {
		if wire.EqualFold(url, x.Request.Target) {
			return false
		}
	}
	for _, p := range f.skipMatch {
		if p.Match(x.Request.Target) {
			return false
		}
	}
	return true
}

// isUnmatched reports whether the request went to the default backend. Requests that were refused before
// any route was looked for have no route either, but another status.
func isUnmatched(x *filter.Exchange) bool {
	if x.Route == nil {
		return x.Response.Status == 404
	}
	return x.Route.Ingress == ""
}

// maxLine is the longest line, in bytes, its end included.
const maxLine = 64 << 10

// cut ends a line that was too long.
const cut = " [cut]\n"

// append appends the line, with its end.
func (f *LogFormat) append(dst []byte, x *filter.Exchange) []byte {
	start := len(dst)
	dst = append(f.line.AppendEscaped(dst, x, f.escape), '\n')
	if len(dst)-start > maxLine {
		dst = append(dst[:start+maxLine-len(cut)], cut...)
	}
	return dst
}
