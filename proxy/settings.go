package proxy

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/gaissmai/bart"

	"github.com/yettproxy/yett/proxy/compress"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/observe"
	"github.com/yettproxy/yett/proxy/pattern"
	"github.com/yettproxy/yett/proxy/variable"
	"github.com/yettproxy/yett/proxy/wire"
)

// settings are ir.Settings made ready for requests: prefixes in tries, texts as templates. They are
// immutable and swapped together with the table.
type settings struct {
	trust    *trust
	log      *observe.LogFormat
	block    *blockList
	request  []headerTemplate
	response []headerTemplate
	hide     []string
	headers  ir.HeaderSettings
	redirect ir.RedirectSettings
	coder    *compress.Coder
}

// headerTemplate is a field whose value is filled in for each exchange.
type headerTemplate struct {
	name  string
	value *variable.Template
}

// compileSettings makes settings ready. What cannot be compiled is left out and reported, except for the
// log format, which falls back to the last one that worked.
func compileSettings(s *ir.Settings, last *settings) (*settings, []error) {
	var problems []error
	c := &settings{trust: newTrust(s.Trust), hide: s.Headers.Hide, headers: s.Headers, redirect: s.Redirect}
	format, err := observe.CompileLog(s.Log)
	if err != nil {
		problems = append(problems, fmt.Errorf("log-format-upstream: %w", err))
		if last != nil {
			format = last.log
		} else if format, err = observe.CompileLog(ir.LogSettings{Disabled: s.Log.Disabled}); err != nil {
			problems = append(problems, err)
		}
	}
	c.log = format
	c.block, err = newBlockList(s.Block)
	if err != nil {
		problems = append(problems, err)
	}
	if c.coder, err = compress.New(s.Compression); err != nil {
		problems = append(problems, err)
	}
	compile := func(key string, list []ir.NameValue) (out []headerTemplate) {
		for _, h := range list {
			t, err := variable.Compile(h.Value)
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %s: %w", key, h.Name, err))
				continue
			}
			out = append(out, headerTemplate{h.Name, t})
		}
		return out
	}
	c.request = compile("proxy-set-headers", s.Headers.Request)
	c.response = compile("add-headers", s.Headers.Response)
	return c, problems
}

// blockList refuses requests everywhere (block-cidrs, block-user-agents, block-referers).
type blockList struct {
	prefixes   *bart.Lite
	userAgents textSet
	referers   textSet
}

// textSet is a set of exact texts, which match in any case as in nginx's map, and regular expressions.
type textSet struct {
	exact    map[string]bool
	patterns []*pattern.Pattern
}

// newTextSet compiles a list whose parts are exact, or "~" or "~*" and a regular expression.
func newTextSet(key string, list []string) (textSet, error) {
	set := textSet{exact: map[string]bool{}}
	for _, text := range list {
		if len(text) == 0 || text[0] != '~' {
			set.exact[strings.ToLower(text)] = true
			continue
		}
		expr, fold := text[1:], false
		if len(expr) > 0 && expr[0] == '*' {
			expr, fold = expr[1:], true
		}
		p, err := pattern.Compile(expr, fold)
		if err != nil {
			return set, fmt.Errorf("%s: %w", key, err)
		}
		set.patterns = append(set.patterns, p)
	}
	return set, nil
}

// has reports whether the set matches a text.
func (s *textSet) has(text string) bool {
	if len(s.exact) > 0 && s.exact[strings.ToLower(text)] {
		return true
	}
	for _, p := range s.patterns {
		if found, err := p.Find(text, nil); found || err != nil { // who makes it take too long stays out, too
			return true
		}
	}
	return false
}

// newBlockList compiles the settings; nil means that nothing is blocked.
func newBlockList(s ir.BlockSettings) (*blockList, error) {
	if len(s.Prefixes)+len(s.UserAgents)+len(s.Referers) == 0 {
		return nil, nil
	}
	b := &blockList{prefixes: new(bart.Lite)}
	for _, p := range s.Prefixes {
		b.prefixes.Insert(p)
	}
	var errAgents, errReferers error
	b.userAgents, errAgents = newTextSet("block-user-agents", s.UserAgents)
	b.referers, errReferers = newTextSet("block-referers", s.Referers)
	if errAgents != nil {
		return b, errAgents
	}
	return b, errReferers
}

// blocks reports whether a request is refused.
func (b *blockList) blocks(client netip.Addr, r *wire.Request) bool {
	if client.IsValid() && b.prefixes.Contains(client) {
		return true
	}
	if v, ok := r.Fields.Get(wire.UserAgent); ok && b.userAgents.has(v) {
		return true
	}
	v, ok := r.Fields.Get(wire.Referer)
	return ok && b.referers.has(v)
}

// overrideRequest adds the fields that are set for all upstreams.
func (s *settings) overrideRequest(x *filter.Exchange) {
	for i := range s.request {
		h := &s.request[i]
		x.Override(h.name, h.value.FieldText(x))
	}
}

// finishResponse is what happens to the head of every response, the proxy's own included: the global
// settings first, then what the route's filters and the exchange itself add.
func (s *settings) finishResponse(x *filter.Exchange, list []filter.ResponseFilter) {
	fields := &x.Response.Fields
	if !s.headers.KeepServer {
		fields.DelKnown(wire.Server)
	}
	if s.headers.ServerTokens {
		fields.SetKnown(wire.Server, "yett")
	}
	for _, name := range s.hide {
		fields.Del(name)
	}
	if s.headers.HSTS != "" && x.Scheme == "https" {
		fields.SetKnown(wire.StrictTransportSecurity, s.headers.HSTS)
	}
	for i := range s.response {
		h := &s.response[i]
		fields.Set(h.name, h.value.FieldText(x))
	}
	for _, f := range list {
		f.Response(x)
	}
	for _, f := range x.ResponseAdd.All() {
		fields.Append(f)
	}
}
