package accesslog

import (
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/pattern"
	"github.com/yettproxy/yett/proxy/variable"
)

// Family declares the access log.
var Family = feature.Family{
	Name: "accesslog",
	Doc:  "Writes a line for each request.",
	Keys: []feature.Key{
		{
			Name: "enable-access-log", Type: "bool", Default: "true",
			Doc: "Writes requests for the paths of the Ingress to the access log.",
		},
	},
	Settings: []feature.Key{
		{
			Name: "disable-access-log", Type: "bool", Default: "false",
			Doc: "Writes no access log at all.",
		},
		{
			Name: "disable-http-access-log", Type: "bool", Default: "false",
			Doc: "Writes no access log of HTTP requests.",
		},
		{
			Name: "log-format-upstream", Type: "text with variables",
			Doc:  "The line that is written; without it ingress-nginx's own.",
			Note: "A format with a variable that does not exist here is reported, and the last format that could be read stays.",
		},
		{
			Name: "log-format-escape-json", Type: "bool", Default: "false",
			Doc: "Escapes values such that they can stand in JSON strings.",
		},
		{
			Name: "log-format-escape-none", Type: "bool", Default: "false",
			Doc:  "Does not escape values. It goes before log-format-escape-json.",
			Note: "A client can break lines with it if the format has a variable that is decoded, such as $uri.",
		},
		{
			Name: "access-log-path", Type: "file", Default: imageLog,
			Doc:  "The file that the access log is appended to.",
			Note: imageLog + " means standard output, where ingress-nginx's image links it to.",
		},
		{
			Name: "http-access-log-path", Type: "file",
			Doc: "The same, and it goes before access-log-path.",
		},
		{
			Name: "skip-access-log-urls", Type: "list of URIs, ~ and a regular expression, or ~* and one that ignores case",
			Doc: "Request URIs that are not logged.",
		},
		{
			Name: "enable-access-log-for-default-backend", Type: "bool", Default: "false",
			Doc: "Writes requests that no Ingress matches, too.",
		},
	},
	Apply:     apply,
	Configure: configure,
}

// imageLog is the path that ingress-nginx's image links to standard output.
const imageLog = "/var/log/nginx/access.log"

// apply reads whether the requests of an Ingress are logged.
func apply(in *feature.Reader, out *feature.Intent) { out.AccessLog = in.Bool("enable-access-log") }

// configure reads what is logged, and how.
func configure(in *feature.Reader, out *ir.Settings) {
	l := &out.Log
	off, offHTTP := in.Bool("disable-access-log"), in.Bool("disable-http-access-log")
	l.Disabled = off || offHTTP
	l.Format = in.String("log-format-upstream")
	if _, err := variable.Compile(l.Format); err != nil {
		in.Refuse("log-format-upstream", "%v", err) // the proxy goes on with the last one
	}
	l.EscapeJSON, l.EscapeNone = in.Bool("log-format-escape-json"), in.Bool("log-format-escape-none")
	l.Path = path(in)
	l.SkipURLs = skipped(in)
	l.DefaultBackend = in.Bool("enable-access-log-for-default-backend")
}

// path returns the file of the log, or "" for standard output.
func path(in *feature.Reader) string {
	name := "http-access-log-path"
	if !in.Has(name) {
		name = "access-log-path"
	}
	switch p := in.Matching(name, isPath, "an absolute path"); p {
	case "/dev/stdout", "/proc/self/fd/1", imageLog:
		return ""
	default:
		return p
	}
}

// isPath reports whether text is nothing, or an absolute path.
func isPath(text string) bool {
	return text == "" || text[0] == '/' && !strings.ContainsAny(text, "\n\x00")
}

// skipped returns the URIs that are not logged, without those that cannot be understood.
func skipped(in *feature.Reader) []string {
	var list []string
	for _, url := range in.List("skip-access-log-urls") {
		if expr, ok := strings.CutPrefix(url, "~"); ok {
			expr, fold := strings.CutPrefix(expr, "*")
			if _, err := pattern.Compile(expr, fold); err != nil {
				in.Warn("skip-access-log-urls", "%q: %v", feature.Shown(url), err)
				continue
			}
		}
		list = append(list, url)
	}
	return list
}
