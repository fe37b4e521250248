package extauth

import (
	"maps"
	"slices"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/remote"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/variable"
	"github.com/yettproxy/yett/proxy/wire"
)

// apply adds the filter that asks, and before it one that keeps clients from speaking for the service. An auth-url of its
// own makes an Ingress independent of the ConfigMap, as in ingress-nginx: nothing is mixed.
func apply(in *feature.Reader, out *feature.Intent) {
	prefix := ""
	switch {
	case in.HasAnnotation(urlKey):
	case in.Present(urlKey):
		in.Refuse(urlKey, "it is empty: write the URL of the authorization service, or remove the annotation")
		return
	case in.Bool(enableGlobalKey) && in.Has(global+urlKey):
		prefix = global
	default:
		if in.HasAnnotation(snippetKey) {
			in.Remark(snippetKey, "ignored: there is no authorization service")
		}
		return
	}
	if in.Has(prefix + snippetKey) {
		in.Refuse(prefix+snippetKey, "raw nginx configuration is never executed, and the answer of the authorization service may depend on it: "+
			"the paths answer 503; write auth-proxy-set-headers instead")
	}
	spec := readSpec(in, prefix)
	if len(spec.ResponseHeaders) > 0 {
		out.AddFilter(Clear{Names: spec.ResponseHeaders, Except: spec.Except})
	}
	out.AddFilter(spec)
}

// readSpec reads the keys with a prefix. What is wrong is noted and denies the routes, so the result may be nonsense then.
func readSpec(in *feature.Reader, prefix string) Spec {
	s := Spec{
		URL:             readURL(in, prefix+urlKey),
		SignInParam:     in.Matching(prefix+signInParamKey, isToken, "letters, digits, - and _"),
		ResponseHeaders: readNames(in, prefix+responseHeadersKey),
		RequestRedirect: readTemplate(in, prefix+redirectKey),
		CacheKey:        readTemplate(in, prefix+cacheKeyKey),
		AlwaysSetCookie: in.Bool(prefix + alwaysCookieKey),
		Except:          strings.Join(in.List(exceptKey), ","),
	}
	if in.Has(prefix + methodKey) {
		s.Method = in.Enum(prefix+methodKey, "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
	}
	if signIn := readTemplate(in, prefix+signInKey); signIn != "" {
		if s.SignIn = signIn; !isLocation(signIn) {
			in.Refuse(prefix+signInKey, "not a place to send clients to: write a URL with http or https, or a path")
			s.SignIn = ""
		}
	}
	if prefix == "" {
		s.SetHeaders = readSetHeaders(in)
	}
	duration := in.String(prefix + cacheDurationKey)
	times, ok := parseTimes(duration)
	if !ok {
		in.Refuse(prefix+cacheDurationKey, "write statuses and a time with its unit, several with commas between, such as %q", defaultDuration)
	}
	if s.CacheKey != "" {
		s.CacheTimes = times
	}
	return s
}

// readURL returns the text of auth-url.
func readURL(in *feature.Reader, key string) string {
	text := readTemplate(in, key)
	if text == "" {
		return ""
	}
	if err := remote.Check(text); err != nil {
		in.Refuse(key, "%v", err)
	}
	return text
}

// readTemplate returns a text with variables that can be filled in, or "".
func readTemplate(in *feature.Reader, key string) string {
	text := in.String(key)
	if !remote.IsText(text) {
		in.Refuse(key, "it holds a character that no URL has: encode it as %%HH")
		return ""
	}
	if _, err := variable.Compile(text); err != nil {
		in.Refuse(key, "%v", err)
		return ""
	}
	return text
}

// readNames returns the names of auth-response-headers, each once.
func readNames(in *feature.Reader, key string) (names []string) {
	for _, name := range in.List(key) {
		switch {
		case !isToken(name):
			in.Refuse(key, "%q is not the name of a field", feature.Shown(name))
		case !settable(name) || wire.EqualFold(name, "Host"):
			in.Warn(key, "%s belongs to the connection and is not passed on", name)
		case !slices.ContainsFunc(names, func(n string) bool { return wire.EqualFold(n, name) }):
			names = append(names, name)
		}
	}
	return names
}

// readSetHeaders reads the ConfigMap of auth-proxy-set-headers, sorted by name.
func readSetHeaders(in *feature.Reader) (list []ir.NameValue) {
	data, full, ok := in.ConfigMap(setHeadersKey)
	if !ok {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		value := strings.TrimSpace(data[name])
		switch _, err := variable.Compile(value); {
		case !isToken(name):
			in.Lack(setHeadersKey, "ConfigMap %s: %q is not the name of a field", full, feature.Shown(name))
		case !settable(name):
			in.Lack(setHeadersKey, "ConfigMap %s: %s belongs to the connection and cannot be set", full, name)
		case hasControl(value):
			in.Lack(setHeadersKey, "ConfigMap %s: the value of %s holds a control character", full, name)
		case err != nil:
			in.Lack(setHeadersKey, "ConfigMap %s: %s: %v", full, name, err)
		default:
			list = append(list, ir.NameValue{Name: name, Value: value})
		}
	}
	return list
}

// settable reports whether a field may be set at all: those that frame messages and those of the connection may not.
func settable(name string) bool {
	switch wire.Lookup(name) {
	case wire.Connection, wire.ContentLength, wire.Expect, wire.HTTP2Settings, wire.KeepAlive, wire.ProxyConnection, wire.TE,
		wire.Trailer, wire.TransferEncoding, wire.Upgrade:
		return false
	}
	return true
}

// isToken reports whether text is made of letters, digits, - and _, and is not empty.
func isToken(text string) bool {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return text != ""
}

// hasControl reports whether text has a control character.
func hasControl(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 || r == 0x7f })
}
