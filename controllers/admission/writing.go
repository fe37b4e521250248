package admission

import (
	"strings"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/yettproxy/yett/annotations"
	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/controllers/translate"
)

// Messages are read by people in a terminal, and the API server cuts warnings that are longer (KEP-1693).
const (
	maxWarning  = 256
	maxWarnings = 12
	maxRefusals = 12
)

// add files a problem where it belongs.
func (j *Judgement) add(p *feature.Problem) {
	if p.Reject {
		j.refuse(*p)
		return
	}
	j.warn(*p)
}

// refuse adds a reason to turn the Ingress down.
func (j *Judgement) refuse(p feature.Problem) {
	switch {
	case len(j.Refusals) < maxRefusals:
		j.Refusals = append(j.Refusals, text(&p))
	case len(j.Refusals) == maxRefusals:
		j.Refusals = append(j.Refusals, "and more like these")
	}
}

// warn adds something worth knowing.
func (j *Judgement) warn(p feature.Problem) {
	if len(j.Warnings) >= maxWarnings {
		return
	}
	t := text(&p)
	if len(t) > maxWarning {
		const dots = "…"
		t = strings.ToValidUTF8(t[:maxWarning-len(dots)], "") + dots
	}
	j.Warnings = append(j.Warnings, t)
}

// text says what, where and why.
func text(p *feature.Problem) string {
	var b strings.Builder
	switch {
	case p.Key == "":
		return line(p.Reason)
	case p.Global:
		b.WriteString("ConfigMap key ")
	case !strings.HasPrefix(p.Key, "spec") && !strings.HasPrefix(p.Key, "metadata"):
		b.WriteString("annotation ")
	}
	b.WriteString(p.Key)
	if p.Value != "" {
		b.WriteString(` "` + p.Value + `"`)
	}
	b.WriteString(": " + p.Reason)
	return line(b.String())
}

// line returns text on one line and without control characters, which a terminal would obey.
func line(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, s)
}

// checkWriting refuses what only admission looks at.
func (j *Judgement) checkWriting(ing *networkingv1.Ingress, o *translate.Objects, options *translate.Options) {
	prefix := strings.TrimSuffix(options.AnnotationsPrefix, "/") + "/"
	if prefix != "/" && prefix != feature.NginxPrefix {
		for key := range ing.Annotations {
			if name, ok := strings.CutPrefix(key, feature.NginxPrefix); ok {
				j.refuse(feature.Problem{Key: name, Reason: "the prefix of annotations is " + prefix + " here: write " + prefix + name})
			}
		}
	}
	var globals map[string]string
	if m := o.ConfigMaps[options.ConfigMap]; m != nil {
		globals = m.Data
	}
	if annotations.RulesOf(globals).StrictPaths {
		j.checkPaths(ing)
	}
}

// checkPaths refuses paths with characters that Exact and Prefix have no use for (strict-validate-path-type): they are meant as
// patterns mostly, and match nothing then.
func (j *Judgement) checkPaths(ing *networkingv1.Ingress) {
	for i := range ing.Spec.Rules {
		http := ing.Spec.Rules[i].HTTP
		if http == nil {
			continue
		}
		for k := range http.Paths {
			p := &http.Paths[k]
			kind := networkingv1.PathTypePrefix
			if p.PathType != nil {
				kind = *p.PathType
			}
			if p.Path == "" || kind == networkingv1.PathTypeImplementationSpecific || plainPath(p.Path) {
				continue
			}
			j.refuse(feature.Problem{
				Key: translate.PathField(i, k), Value: feature.Shown(p.Path),
				Reason: "pathType " + string(kind) + " is for letters, digits and . _ - / behind a slash: write pathType ImplementationSpecific, " +
					`or set strict-validate-path-type: "false" in the ConfigMap`,
			})
		}
	}
}

// plainPath reports whether a path is one that ingress-nginx's strict-validate-path-type lets pass.
func plainPath(path string) bool {
	if path[0] != '/' {
		return false
	}
	for i := range len(path) {
		switch c := path[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-', c == '/':
		default:
			return false
		}
	}
	return true
}
