package redirect

import (
	"strconv"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/variable"
)

// Family declares the redirects. It goes behind cors: a preflight that is redirected has failed.
var Family = feature.Family{
	Name:  "redirect",
	Doc:   "Answers requests with a redirect: to https, to another place, to another name.",
	Order: -10,
	Keys: []feature.Key{
		{
			Name: "ssl-redirect", Type: "bool", Default: "true", Global: "ssl-redirect",
			Doc: "Sends http requests to https if a TLS section of an Ingress names the host.",
		},
		{
			Name: "force-ssl-redirect", Type: "bool", Default: "false", Global: "force-ssl-redirect", Risk: feature.Medium,
			Doc: "Sends http requests to https even without TLS section, for TLS that ends in front of the proxy.",
		},
		{
			Name: "preserve-trailing-slash", Type: "bool", Default: "false", Global: "preserve-trailing-slash", Risk: feature.Medium,
			Doc: "Keeps the last slash of the URI in redirects to https; otherwise one is cut.",
		},
		{
			Name: "use-port-in-redirects", Type: "bool", Default: "false", Global: "use-port-in-redirects",
			Doc: "Writes the port into redirects that the proxy makes by itself: to https, and to a path's trailing slash.",
		},
		{
			Name: "permanent-redirect", Type: "URL or path", Risk: feature.Medium,
			Doc: "Answers every request with a redirect to this place, before limits and access control.",
			Note: "Variables such as $request_uri work and more characters are allowed, as in ingress-nginx without annotation validation; " +
				"an http request goes to https first where ssl-redirect applies; a path becomes absolute with the scheme that a trusted peer reports.",
		},
		{
			Name: "permanent-redirect-code", Type: "number from 300 to 308", Default: "301",
			Doc:  "The status of permanent-redirect.",
			Note: "304 is refused: it has no Location. 300, 304, 305 and 306 make nginx send the URL as the body; here it is always a Location.",
		},
		{
			Name: "temporal-redirect", Type: "URL", Risk: feature.Medium,
			Doc:  "Answers every request with a temporary redirect to this URL; it wins over permanent-redirect.",
			Note: "As permanent-redirect.",
		},
		{
			Name: "temporal-redirect-code", Type: "number from 300 to 307", Default: "302",
			Doc:  "The status of temporal-redirect.",
			Note: "As permanent-redirect-code.",
		},
		{
			Name: "relative-redirects", Type: "bool", Default: "false", Global: "relative-redirects",
			Doc: "Leaves the Location of redirects to paths relative instead of adding scheme and host.",
		},
		{
			Name: "from-to-www-redirect", Type: "bool", Default: "false",
			Doc: "Sends requests for the www. counterpart of each host to the host, or the other way round, unless an Ingress has that name.",
		},
		{
			Name: "app-root", Type: "path", Risk: feature.Medium,
			Doc: "Sends requests for exactly / of the host to this path.",
		},
	},
	Settings: []feature.Key{
		{
			Name: "http-redirect-code", Type: "301, 302, 307 or 308", Default: "308",
			Doc: "The status of redirects to https and to and from www.",
		},
		{
			Name: "no-tls-redirect-locations", Type: "list of path prefixes", Default: "/.well-known/acme-challenge",
			Doc: "Paths of Ingress rules that are never redirected to https.",
		},
	},
	Apply:     apply,
	Configure: configure,
}

// apply reads the redirects of one Ingress.
func apply(in *feature.Reader, out *feature.Intent) {
	relative, port := in.Bool("relative-redirects"), in.Bool("use-port-in-redirects")
	out.Policy.RelativeRedirects, out.Policy.PortInRedirects = relative, port
	s := SSL{
		Force: in.Bool("force-ssl-redirect"), Code: code(in), PreserveSlash: in.Bool("preserve-trailing-slash"), Port: port,
		Except: strings.Join(in.List("no-tls-redirect-locations"), ","),
	}
	if in.Bool("ssl-redirect") || s.Force {
		out.AddFilter(s)
	}
	if to, ok := target(in); ok {
		to.Relative, to.Port = relative, port
		out.AddFilter(to)
	}
	out.Host.FromToWWW = in.Bool("from-to-www-redirect")
	out.Host.AppRoot = in.Matching("app-root", isPath, "a path that begins with / and has no spaces, quotes or angle brackets")
}

// target reads where to everything is redirected.
func target(in *feature.Reader) (To, bool) {
	permanent := redirectCode(in, "permanent-redirect-code", 308)
	temporal := redirectCode(in, "temporal-redirect-code", 307)
	if to := location(in, "temporal-redirect"); to != "" {
		if strings.HasPrefix(to, "http") {
			return To{Location: to, Code: temporal}, true
		}
		in.Refuse("temporal-redirect", "the URL must begin with http:// or https://; permanent-redirect takes paths too")
	}
	if to := location(in, "permanent-redirect"); to != "" {
		return To{Location: to, Code: permanent}, true
	}
	return To{}, false
}

// location returns the text of a redirect, or "" if there is none or it would not make a Location.
func location(in *feature.Reader, name string) string {
	to := in.Matching(name, isLocation, "a URL without spaces, quotes and angle brackets; percent-encode what it may not hold")
	if to == "" {
		return ""
	}
	if _, err := variable.Compile(to); err != nil {
		in.Refuse(name, "%v", err)
		return ""
	}
	return to
}

// redirectCode returns the status of a redirect.
func redirectCode(in *feature.Reader, name string, high int) int {
	n := in.Int(name, 300, high)
	if n == 304 {
		in.Refuse(name, "304 means that a copy is still good and has no Location: write 301, 302, 303, 307 or 308")
		n = 302
		if high == 308 {
			n = 301
		}
	}
	return n
}

// code returns http-redirect-code.
func code(in *feature.Reader) int {
	n, _ := strconv.Atoi(in.Enum("http-redirect-code", "301", "302", "307", "308"))
	return n
}

// configure reads what the handler needs for redirects of its own.
func configure(in *feature.Reader, out *ir.Settings) {
	out.Redirect.Code = code(in)
	out.Redirect.Relative = in.Bool("relative-redirects")
	out.Redirect.UsePort = in.Bool("use-port-in-redirects")
	out.Redirect.NoTLS = in.List("no-tls-redirect-locations")
}

// isPath reports whether text is nothing, or can be the path of a Location.
func isPath(text string) bool {
	return text == "" || text[0] == '/' && isLocation(text)
}

// isLocation reports whether text can stand in a Location: visible ASCII without what no URI may hold (RFC
// 3986), except the braces of variables.
func isLocation(text string) bool {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c <= ' ', c >= 0x7f, c == '"', c == '<', c == '>', c == '\\', c == '^', c == '`', c == '|':
			return false
		}
	}
	return true
}
