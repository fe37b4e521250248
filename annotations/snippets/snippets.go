package snippets

import (
	"slices"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
)

const (
	location = "configuration-snippet"
	server   = "server-snippet"
)

// never is what is said of every snippet.
const never = "snippets are raw nginx configuration, which is never executed"

// Family declares the snippets, but for auth-snippet, which belongs to extauth.
var Family = feature.Family{
	Name: "snippets",
	Doc:  "Raw nginx configuration. It is never executed.",
	Keys: []feature.Key{
		{
			Name: location, Global: "location-snippet", Type: "nginx configuration", Risk: feature.Critical,
			Doc:  "In nginx, added to every location of the Ingress.",
			Note: "Not executed, only reported, with the annotations that do the same. The Ingress is served without it.",
			Lost: lost,
		},
		{
			Name: server, Global: server, Type: "nginx configuration", Risk: feature.Critical,
			Doc:  "In nginx, added to the server of the host.",
			Note: "Not executed, only reported, with the annotations that do the same. The Ingress is served without it.",
			Lost: lost,
		},
		{
			Name: "stream-snippet", Global: "stream-snippet", Type: "nginx configuration", Risk: feature.Critical,
			Doc: "In nginx, added to the TCP and UDP proxy.", Unsupported: never,
		},
	},
	Settings: []feature.Key{
		{Name: "main-snippet", Type: "nginx configuration", Doc: "In nginx, added to the main block.", Unsupported: never},
		{Name: "http-snippet", Type: "nginx configuration", Doc: "In nginx, added to the http block.", Unsupported: never},
		{
			Name: "modsecurity-snippet", Type: "ModSecurity rules", Doc: "Rules of the firewall.",
			Unsupported: "there is no web application firewall here: requests that these rules would refuse are served",
		},
	},
	Apply: func(in *feature.Reader, _ *feature.Intent) {
		for _, key := range []string{location, server} {
			if text := in.String(key); text != "" {
				in.Warn(key, "%s", never+lost(text)) // whether one may be there at all is screened before
			}
		}
	},
}

// lost says what a snippet asks for that nobody does now: it is said whether or not snippets are allowed, since the
// directives that guard access are in force in neither case.
func lost(text string) (reason string) {
	guards, advice := survey(text)
	if len(guards) > 0 {
		reason += "; it guards access with " + strings.Join(guards, ", ") + ", which is not in force here"
	}
	if len(advice) > 0 {
		reason += "; instead of " + strings.Join(advice, ", ")
	}
	return reason
}

// maxAdvice is how many directives a report names of each kind.
const maxAdvice = 4

// survey names the directives of a snippet that guard access, and what to write instead of the others. It needs no
// grammar: a directive begins behind ";", "{", "}" or a line's end, and comments run to it.
func survey(text string) (guards, advice []string) {
	for line := range strings.SplitSeq(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		for _, part := range strings.FieldsFunc(line, func(r rune) bool { return r == ';' || r == '{' || r == '}' }) {
			words := strings.Fields(part)
			if len(words) == 0 {
				continue
			}
			name := words[0]
			if name == "return" && len(words) > 1 {
				name += " " + words[1]
			}
			if isGuard(name) && len(guards) < maxAdvice && !slices.Contains(guards, name) {
				guards = append(guards, name)
			}
			if instead, ok := substitute(name); ok && len(advice) < maxAdvice {
				if a := words[0] + " write " + instead; !slices.Contains(advice, a) {
					advice = append(advice, a)
				}
			}
		}
	}
	return guards, advice
}

// isGuard reports whether a directive keeps somebody out.
func isGuard(name string) bool {
	switch name {
	case "deny", "allow", "auth_basic", "auth_request", "auth_jwt", "satisfy", "limit_except", "valid_referers", "secure_link",
		"internal", "ssl_verify_client", "return 401", "return 403", "return 404", "return 444":
		return true
	}
	return strings.HasPrefix(name, "access_by_lua")
}

// substitute returns what does the same as a directive.
func substitute(name string) (string, bool) {
	switch name {
	case "more_set_headers", "add_header", "more_clear_headers":
		return "custom-headers", true
	case "proxy_hide_header":
		return "hide-headers in the ConfigMap", true
	case "proxy_set_header", "more_set_input_headers":
		return "proxy-set-headers in the ConfigMap, or upstream-vhost for Host", true
	case "return 301", "return 308":
		return "permanent-redirect", true
	case "return 302", "return 307":
		return "temporal-redirect", true
	case "rewrite":
		return "rewrite-target, permanent-redirect or app-root", true
	case "deny":
		return "denylist-source-range", true
	case "allow":
		return "allowlist-source-range", true
	case "auth_basic":
		return "auth-type and auth-secret", true
	case "auth_request":
		return "auth-url", true
	case "auth_request_set":
		return "auth-response-headers", true
	case "limit_req":
		return "limit-rps or limit-rpm", true
	case "limit_conn":
		return "limit-connections", true
	case "client_max_body_size":
		return "proxy-body-size", true
	case "proxy_read_timeout":
		return "proxy-read-timeout", true
	case "proxy_send_timeout":
		return "proxy-send-timeout", true
	case "proxy_connect_timeout":
		return "proxy-connect-timeout", true
	case "proxy_cookie_path":
		return "proxy-cookie-path", true
	case "proxy_cookie_domain":
		return "proxy-cookie-domain", true
	case "proxy_buffer_size":
		return "proxy-buffer-size", true
	case "access_log":
		return "enable-access-log", true
	case "server_name":
		return "server-alias", true
	}
	return "", false
}
