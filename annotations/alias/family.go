package alias

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/pattern"
)

// Family declares server-alias.
var Family = feature.Family{
	Name: "alias",
	Doc:  "Gives hosts further names.",
	Keys: []feature.Key{
		{
			Name: "server-alias", Type: "list of names, *.name for one label, or ~ and a regular expression", Risk: feature.High,
			Doc:  "Further names that the hosts of the Ingress answer to, unless an Ingress has them as hosts; the oldest Ingress that names any counts.",
			Note: "A name that cannot be understood is left out instead of the whole Ingress. nginx's www.example.* and .example.com are not known: write a regular expression, or both names.",
		},
	},
	Apply: apply,
}

// apply reads the aliases: sorted, each once.
func apply(in *feature.Reader, out *feature.Intent) {
	var list []string
	for _, name := range in.List("server-alias") {
		alias, err := parse(name)
		if err != nil {
			in.Warn("server-alias", "name %q: %v", feature.Shown(name), err)
			continue
		}
		list = append(list, alias)
	}
	slices.Sort(list)
	out.Host.Aliases = slices.Compact(list)
}

// maxName is the longest host name in bytes (RFC 1035 section 2.3.4).
const maxName = 253

// parse returns an alias as ir.VirtualHost has it.
func parse(name string) (string, error) {
	if expr, ok := strings.CutPrefix(name, "~"); ok {
		if !feature.IsRegexp(expr) {
			return "", errors.New("only letters, digits and what regular expressions are written with may be in it")
		}
		if _, err := pattern.Compile(expr, true); err != nil {
			return "", fmt.Errorf("compile regular expression: %w", err)
		}
		return name, nil
	}
	host, _ := strings.CutPrefix(name, "*.")
	if len(host) > maxName || !isHost(host) {
		return "", errors.New("write a host name, *. and a host name for exactly one label more, or ~ and a regular expression")
	}
	return strings.ToLower(name), nil
}

// isHost reports whether text is labels of letters, digits, hyphens and underscores joined by dots.
func isHost(text string) bool {
	for label := range strings.SplitSeq(text, ".") {
		if label == "" {
			return false
		}
		for i := 0; i < len(label); i++ {
			switch c := label[i]; {
			case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
			default:
				return false
			}
		}
	}
	return true
}
