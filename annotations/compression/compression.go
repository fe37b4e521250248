package compression

import (
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/pattern"
)

// types are those that ingress-nginx compresses besides text/html.
const types = "application/atom+xml application/javascript application/x-javascript application/json application/rss+xml " +
	"application/vnd.ms-fontobject application/x-font-ttf application/x-web-app-manifest+json application/xhtml+xml application/xml " +
	"font/opentype image/svg+xml image/x-icon text/css text/javascript text/plain text/x-component"

// Family is which responses are sent compressed.
var Family = feature.Family{
	Name: "compression",
	Doc:  "Sends responses compressed to clients that take them so.",
	Settings: []feature.Key{
		{
			Name: "use-gzip", Type: "bool", Default: "false",
			Doc: "Compresses responses with gzip: those with status 200, 403 or 404 that are not encoded already and do not say no-transform.",
		},
		{Name: "gzip-level", Type: "number, 1 to 9", Default: "1", Doc: "How hard it tries."},
		{Name: "gzip-min-length", Type: "bytes", Default: "256", Doc: "The shortest body that is compressed; those of unknown length always are."},
		{Name: "gzip-types", Type: "list of media types, or *", Default: types, Doc: "What is compressed besides text/html."},
		{Name: "gzip-disable", Type: "regular expression", Doc: "User agents that get nothing compressed with gzip."},
		{Name: "enable-brotli", Type: "bool", Default: "false", Doc: "Compresses responses with brotli, which goes before gzip where a client takes both."},
		{Name: "brotli-level", Type: "number, 0 to 11", Default: "4", Doc: "How hard it tries."},
		{Name: "brotli-min-length", Type: "bytes", Default: "20", Doc: "The shortest body that is compressed; those of unknown length always are."},
		{Name: "brotli-types", Type: "list of media types, or *", Default: types, Doc: "What is compressed besides text/html."},
	},
	Configure: configure,
}

// most bounds lengths.
const most = 1 << 30

// configure reads the family's settings.
func configure(in *feature.Reader, out *ir.Settings) {
	out.Compression.Gzip = coding(in, "use-gzip", "gzip", 1, 9)
	out.Compression.Brotli = coding(in, "enable-brotli", "brotli", 0, 11)
	if expr := in.String("gzip-disable"); expr != "" {
		if _, err := pattern.Compile(expr, true); err != nil {
			in.Refuse("gzip-disable", "everybody gets gzip: %v", err)
		} else if out.Compression.Gzip.On {
			out.Compression.GzipDisable = expr
		}
	}
}

// coding reads the settings of one coding. One that is off has none, but mistakes in them are told.
func coding(in *feature.Reader, on, name string, low, high int) ir.CodingSettings {
	c := ir.CodingSettings{
		On: in.Bool(on), Level: in.Int(name+"-level", low, high),
		MinLength: int64(in.Int(name+"-min-length", 0, most)), Types: strings.Fields(in.String(name + "-types")),
	}
	if !c.On {
		return ir.CodingSettings{}
	}
	return c
}
