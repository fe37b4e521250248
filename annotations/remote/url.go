package remote

import (
	"errors"
	"net/url"
	"strings"

	"github.com/yettproxy/yett/proxy/wire"
)

var (
	errScheme     = errors.New("want a URL that begins with http:// or https://")
	errHost       = errors.New("the URL names no host, or one that cannot be")
	errUser       = errors.New("the URL holds a user or a password, which are not sent")
	errFragment   = errors.New("the URL holds a fragment (#), which is never sent: encode it as %23")
	errClientHost = errors.New("the host of the URL holds a variable that clients can choose, so they could send " +
		"requests anywhere: write $host, $server_name, $namespace, $service_name or $ingress_name")
)

// hostVariables are the variables that the host of a URL may hold: clients cannot make them name a host that no Ingress
// names.
var hostVariables = map[string]bool{
	"host": true, "http_host": true, "best_http_host": true, "server_name": true, "namespace": true, "ingress_name": true,
	"service_name": true, "service_port": true,
}

// Check looks at a URL with variables before anything is filled in. Its errors say what to write instead.
func Check(text string) error {
	authority, rest, ok := SplitTemplate(text)
	switch {
	case !ok:
		return errScheme
	case strings.Contains(authority, "@"):
		return errUser
	case strings.Contains(authority, ".."):
		return errHost
	case strings.Contains(rest, "#"):
		return errFragment
	}
	filled, err := fillHost(authority)
	if err != nil {
		return err
	}
	var a wire.Arena
	if host, ok := wire.ParseHost(filled, &a); !ok || host == "" {
		return errHost
	}
	return nil
}

// fillHost replaces the variables of an authority by something that could stand there.
func fillHost(authority string) (string, error) {
	var b strings.Builder
	for authority != "" {
		before, after, found := strings.Cut(authority, "$")
		b.WriteString(before)
		if !found {
			break
		}
		name, rest := variableName(after)
		if !hostVariables[strings.ToLower(name)] {
			return "", errClientHost
		}
		if b.WriteString("1"); name != "service_port" {
			b.WriteString("x")
		}
		authority = rest
	}
	return b.String(), nil
}

// variableName splits off the name of the variable whose "$" stands before text.
func variableName(text string) (name, rest string) {
	if after, ok := strings.CutPrefix(text, "{"); ok {
		name, rest, _ = strings.Cut(after, "}")
		return name, rest
	}
	n := 0
	for n < len(text) && isNameByte(text[n]) {
		n++
	}
	return text[:n], text[n:]
}

// isNameByte reports whether a byte can stand in the name of a variable.
func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// ClientChoosesHost reports whether the authority of a URL follows the Host field. On a route without a host anybody can write
// anything there.
func ClientChoosesHost(text string) bool {
	authority, _, _ := SplitTemplate(text)
	for authority != "" {
		_, after, found := strings.Cut(authority, "$")
		if !found {
			return false
		}
		var name string
		name, authority = variableName(after)
		switch strings.ToLower(name) {
		case "host", "http_host", "best_http_host":
			return true
		}
	}
	return false
}

// split splits a URL into scheme, authority and what follows. It is false if the scheme is not http or https.
func split(text string) (scheme, authority, rest string, ok bool) {
	for _, scheme := range []string{"http", "https"} {
		n := len(scheme) + len("://")
		if len(text) >= n && wire.EqualFold(text[:n], scheme+"://") {
			end := len(text)
			if i := strings.IndexAny(text[n:], "/?#"); i >= 0 {
				end = n + i
			}
			return scheme, text[n:end], text[end:], true
		}
	}
	return "", "", "", false
}

// SplitTemplate is split for a text whose variables are not yet filled in. $request_uri and its like end the authority, since
// they begin with a slash.
func SplitTemplate(text string) (authority, rest string, ok bool) {
	_, authority, rest, ok = split(text)
	for i := strings.IndexByte(authority, '$'); i >= 0 && i < len(authority); i++ {
		if authority[i] != '$' {
			continue
		}
		switch name, _ := variableName(authority[i+1:]); strings.ToLower(name) {
		case "request_uri", "uri", "document_uri", "location_path":
			return authority[:i], authority[i:] + rest, ok
		}
	}
	return authority, rest, ok
}

// Target makes a URL ready to be sent after everything is filled in. Path and query go out byte by byte as they are: net/url
// would refuse or change what clients write there, and then the service would see another request than the one that is
// forwarded. Text is only composed in a.
func Target(text string, a *wire.Arena) (*url.URL, error) {
	scheme, authority, rest, ok := split(text)
	if !ok {
		return nil, errScheme
	}
	if host, ok := wire.ParseHost(authority, a); !ok || host == "" {
		return nil, errHost
	}
	path, query, hasQuery := strings.Cut(encode(rest), "?")
	if path == "" {
		path = "/"
	}
	u := &url.URL{Scheme: scheme, Host: authority, RawQuery: query, ForceQuery: hasQuery}
	if !strings.HasPrefix(path, "//") {
		u.Opaque = path
		return u, nil
	}
	// An opaque part with two slashes would be taken for a host.
	decoded, err := url.PathUnescape(path)
	if err != nil {
		return nil, err
	}
	u.Path, u.RawPath = decoded, path
	return u, nil
}

// encode replaces what cannot stand in a request line or in a Location by %HH.
func encode(text string) string {
	if !strings.ContainsFunc(text, func(r rune) bool { return r >= 0x80 || mustEncode(byte(r)) }) {
		return text
	}
	return string(AppendEncoded(nil, text))
}

// AppendEncoded appends text with what cannot stand in a request line or in a Location as %HH.
func AppendEncoded(dst []byte, text string) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(text); i++ {
		if c := text[i]; mustEncode(c) {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}

// mustEncode reports whether a byte can stand in no URL. Browsers take a backslash for a slash.
func mustEncode(c byte) bool {
	return c <= 0x20 || c >= 0x7f || c == '"' || c == '<' || c == '>' || c == '\\' || c == '#'
}

// IsText reports whether text may stand in an annotation that holds a URL with variables. Braces are those of ${name}; spaces
// are encoded later.
func IsText(text string) bool {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c < 0x20, c >= 0x7f, c == '"', c == '<', c == '>', c == '\\', c == '^', c == '`', c == '|':
			return false
		}
	}
	return true
}
