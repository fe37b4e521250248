package headers

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/variable"
	"github.com/yettproxy/yett/proxy/wire"
)

// Family declares the fields of requests and responses.
var Family = feature.Family{
	Name: "headers",
	Doc:  "Sets and removes header fields.",
	Keys: []feature.Key{
		{
			Name: "upstream-vhost", Type: "host name with variables",
			Doc: "The Host that upstreams see.",
		},
		{
			Name: "connection-proxy-header", Type: "close or keep-alive",
			Doc: "The Connection field that upstreams see.",
		},
		{
			Name: "custom-headers", Type: "name of a ConfigMap", Risk: feature.Medium, OnInvalid: feature.DenyRoute,
			Doc:  "Response fields to set, a name and a value each in the data of the ConfigMap; they replace those of the Service.",
			Note: "Names of global-allowed-response-headers are compared without case. Fields that frame a message are refused.",
		},
	},
	Settings: settings,
	Apply:    apply, Configure: configure,
}

// apply reads the fields of one Ingress.
func apply(in *feature.Reader, out *feature.Intent) {
	out.Policy.Connection = in.Enum("connection-proxy-header", "close", "keep-alive")
	out.Policy.Host = in.Matching("upstream-vhost", feature.IsRegexp, "a host name, which may hold variables")
	if _, err := variable.Compile(out.Policy.Host); err != nil {
		in.Refuse("upstream-vhost", "%v", err)
		out.Policy.Host = ""
	}
	if s, ok := custom(in); ok {
		out.AddFilter(s)
	}
}

// custom reads custom-headers. Any mistake denies the routes: the fields may be there for protection.
func custom(in *feature.Reader) (Custom, bool) {
	const key = "custom-headers"
	data, full, ok := in.ConfigMap(key)
	if !ok {
		return Custom{}, false
	}
	allowed := in.List("global-allowed-response-headers")
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(data)) {
		value := strings.TrimSpace(data[name])
		if err := checkField(name, value); err != nil {
			in.Lack(key, "ConfigMap %s: %v", full, err)
			return Custom{}, false
		}
		if !slices.ContainsFunc(allowed, func(a string) bool { return wire.EqualFold(a, name) }) {
			in.Lack(key, "ConfigMap %s: field %s is not allowed: add it to global-allowed-response-headers in the controller's ConfigMap", full, name)
			return Custom{}, false
		}
		lines = append(lines, name+": "+value)
	}
	return Custom{From: full, Fields: strings.Join(lines, "\n")}, len(lines) != 0
}

// checkField says what is wrong with a field that is to be set.
func checkField(name, value string) error {
	switch {
	case !isName(name):
		return fmt.Errorf("%q is no field name: use letters, digits, - and _", feature.Shown(name))
	case frames(name):
		return fmt.Errorf("field %s cannot be set: the proxy writes it itself", name)
	case value == "":
		return fmt.Errorf("field %s has no value", name)
	case !isValue(value):
		return fmt.Errorf("field %s: the value may only have printable ASCII characters on one line", name)
	}
	return nil
}

// isName reports whether text is a field name as ingress-nginx allows it.
func isName(text string) bool {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return text != ""
}

// isValue reports whether text is printable ASCII.
func isValue(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] < ' ' || text[i] >= 0x7f {
			return false
		}
	}
	return true
}

// frames reports whether a field belongs to the connection or marks where a message ends. Setting it would
// let the other end see other messages than we send.
func frames(name string) bool {
	switch wire.Lookup(name) {
	case wire.Connection, wire.ContentLength, wire.KeepAlive, wire.ProxyConnection, wire.TE, wire.Trailer,
		wire.TransferEncoding, wire.Upgrade, wire.HTTP2Settings, wire.Expect:
		return true
	}
	return false
}
