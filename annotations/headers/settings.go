package headers

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/variable"
	"github.com/yettproxy/yett/proxy/wire"
)

// settings are the keys of the ConfigMap.
var settings = []feature.Key{
	{
		Name: "proxy-set-headers", Type: "namespace/name of a ConfigMap",
		Doc:  "Request fields to set towards all upstreams; values may hold variables.",
		Note: "Edits of that ConfigMap count at once. A field that cannot be read is left out and reported, and so are those that frame a message, and Host.",
	},
	{
		Name: "add-headers", Type: "namespace/name of a ConfigMap",
		Doc:  "Response fields to set for all clients; values may hold variables.",
		Note: "As proxy-set-headers. They are set on every status and replace what upstreams say; an empty value removes the field.",
	},
	{
		Name: "hide-headers", Type: "list of header names",
		Doc: "Response fields of upstreams that clients do not get.",
	},
	{
		Name: "allow-backend-server-header", Type: "bool", Default: "false",
		Doc: "Leaves the Server field of upstreams in responses.",
	},
	{
		Name: "server-tokens", Type: "bool", Default: "false",
		Doc:  "Names the proxy in the Server field.",
		Note: "It says yett, without a version.",
	},
	{
		Name: "global-allowed-response-headers", Type: "list of header names",
		Doc: "The fields that custom-headers may set.",
	},
	{
		Name: "hsts", Type: "bool", Default: "true",
		Doc: "Sends Strict-Transport-Security on https.",
	},
	{
		Name: "hsts-max-age", Type: "seconds", Default: "31536000",
		Doc: "How long browsers are to use https only.",
	},
	{
		Name: "hsts-include-subdomains", Type: "bool", Default: "true",
		Doc: "Lets it hold for all names below the host's.",
	},
	{
		Name: "hsts-preload", Type: "bool", Default: "false",
		Doc: "Agrees to be in browsers' built-in lists.",
	},
}

// configure reads what all requests and responses get or lose.
func configure(in *feature.Reader, out *ir.Settings) {
	h := &out.Headers
	h.Request = fields(in, "proxy-set-headers", func(name string) string {
		if wire.EqualFold(name, "Host") {
			return "use upstream-vhost for Host"
		}
		return ""
	})
	h.Hide = hidden(in)
	h.Response = nil
	for _, f := range fields(in, "add-headers", func(string) string { return "" }) {
		if f.Value == "" {
			h.Hide = append(h.Hide, f.Name)
			continue
		}
		h.Response = append(h.Response, f)
	}
	h.KeepServer = in.Bool("allow-backend-server-header")
	h.ServerTokens = in.Bool("server-tokens")
	h.HSTS = hsts(in)
}

// fields reads the ConfigMap that a key names, sorted by name and without the fields that cannot be set;
// unfit says why a name is none of these, or "".
func fields(in *feature.Reader, key string, unfit func(name string) string) []ir.NameValue {
	data, full, ok := in.ConfigMap(key)
	if !ok {
		return nil
	}
	var list []ir.NameValue
	for _, name := range slices.Sorted(maps.Keys(data)) {
		value := strings.TrimSpace(data[name])
		err := error(nil)
		if value != "" || !isName(name) {
			err = checkField(name, value)
		}
		if err == nil {
			_, err = variable.Compile(value)
		}
		if err != nil {
			in.Warn(key, "ConfigMap %s: field %s is left out: %v", full, feature.Shown(name), err)
			continue
		}
		if reason := unfit(name); reason != "" {
			in.Warn(key, "ConfigMap %s: field %s is left out: %s", full, name, reason)
			continue
		}
		list = append(list, ir.NameValue{Name: name, Value: value})
	}
	return list
}

// hidden reads hide-headers.
func hidden(in *feature.Reader) []string {
	var list []string
	for _, name := range in.List("hide-headers") {
		if !isName(name) {
			in.Warn("hide-headers", "%q is no field name", feature.Shown(name))
			continue
		}
		list = append(list, name)
	}
	return list
}

// hsts returns the value of Strict-Transport-Security, or "".
func hsts(in *feature.Reader) string {
	on, age := in.Bool("hsts"), in.Int("hsts-max-age", 0, math.MaxInt32)
	sub, preload := in.Bool("hsts-include-subdomains"), in.Bool("hsts-preload")
	if !on {
		return ""
	}
	value := "max-age=" + strconv.Itoa(age)
	if sub {
		value += "; includeSubDomains"
	}
	if preload {
		value += "; preload"
	}
	return value
}
