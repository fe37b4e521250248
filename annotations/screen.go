package annotations

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/guard"
)

// screen goes through the annotations of an Ingress before the families do. It reports those that do nothing,
// and takes out those that the operator does not allow.
func (c *Catalogue) screen(sheet *feature.Sheet, rules *guard.Rules) []feature.Problem {
	var problems []feature.Problem
	sheet.Drop(func(e *feature.Entry) bool {
		p, drop := c.judge(e, rules)
		if p.Reason != "" {
			p.Key, p.Value = e.Name, feature.Shown(e.Value)
			problems = append(problems, p)
		}
		return drop
	})
	return problems
}

// judge decides about one annotation: what to say about it, if anything, and whether families may see it.
func (c *Catalogue) judge(e *feature.Entry, rules *guard.Rules) (p feature.Problem, drop bool) {
	k, ok := c.annotations[e.Name]
	switch {
	case !ok:
		return c.unknownAnnotation(e.Name), false
	case k.Own && !e.Own:
		denied := k.OnInvalid == feature.DenyRoute
		return feature.Problem{Reason: "ignored under this prefix: write " + feature.YettPrefix + k.Name, Denied: denied, Reject: denied}, false
	case e.Value == "":
		return p, false
	}
	p.Denied = k.OnInvalid == feature.DenyRoute
	p.Reject = p.Denied
	if word := rules.Blocked(e.Value); word != "" {
		p.Reason = "ignored: the value holds " + strconv.Quote(word) + ", which annotation-value-word-blocklist in the ConfigMap forbids"
		p.Reject = true
		return p, true
	}
	forbidden := !rules.Snippets && strings.HasSuffix(e.Name, "-snippet")
	if k.Unsupported != "" {
		if isDefault(k, e.Value) {
			return feature.Problem{}, false
		}
		p.Reason, p.Reject = k.Unsupported, p.Reject || forbidden
		return p, false
	}
	if k.Risk > rules.MaxRisk {
		p.Reason = "ignored: the risk of this key is " + k.Risk.String() + ", and annotations-risk-level in the ConfigMap allows " +
			rules.MaxRisk.String()
		if k.Lost != nil {
			p.Reason += k.Lost(e.Value)
		}
		p.Reject = true
		return p, true
	}
	if forbidden {
		p.Reason, p.Reject = "allow-snippet-annotations in the ConfigMap is not true: remove it", true
		return p, false
	}
	if k.NoEffect != "" && !isDefault(k, e.Value) {
		return feature.Problem{Reason: k.NoEffect, Note: true}, false
	}
	return feature.Problem{}, false
}

// screenSettings goes through the ConfigMap before the families do, and reports what does nothing.
func (c *Catalogue) screenSettings(globals map[string]string) []feature.Problem {
	var problems []feature.Problem
	for _, name := range slices.Sorted(maps.Keys(globals)) {
		var p feature.Problem
		value := strings.TrimSpace(globals[name])
		k, ok := c.settings[name]
		switch {
		case !ok:
			p = c.unknownSetting(name)
		case value == "" || isDefault(k, value):
		case k.Unsupported != "":
			p.Reason = k.Unsupported
		case k.NoEffect != "":
			p.Reason, p.Note = k.NoEffect, true
		}
		if p.Reason != "" {
			p.Key, p.Value = name, feature.Shown(value)
			problems = append(problems, p)
		}
	}
	return problems
}

// isDefault reports whether a value asks for nothing beyond what holds anyway.
func isDefault(k *feature.Key, value string) bool {
	if strings.EqualFold(value, k.Default) {
		return true
	}
	if k.Type != "bool" {
		return false
	}
	def, _ := strconv.ParseBool(k.Default)
	b, err := strconv.ParseBool(value)
	return err == nil && b == def
}

// unknownAnnotation says what to do about an annotation that nobody declares.
func (c *Catalogue) unknownAnnotation(name string) feature.Problem {
	if _, ok := c.settings[name]; ok {
		return feature.Problem{Reason: "ignored: this is a key of the controller's ConfigMap, not an annotation"}
	}
	return unknown(name, c.annotationNames)
}

// unknownSetting says what to do about a ConfigMap key that nobody declares.
func (c *Catalogue) unknownSetting(name string) feature.Problem {
	if _, ok := c.annotations[name]; ok {
		return feature.Problem{Reason: "ignored: this is an annotation of Ingress objects, not a key of the ConfigMap"}
	}
	return unknown(name, c.settingNames)
}

// unknown says what to do about a key that is not in a list of known ones.
func unknown(name string, known []string) feature.Problem {
	if advice, ok := retired(name); ok {
		return feature.Problem{Reason: advice, Note: true}
	}
	if p, ok := directive(name); ok {
		return p
	}
	if near := nearest(name, known); near != "" {
		return feature.Problem{Reason: "unknown key, ignored: did you mean " + near + "?"}
	}
	return feature.Problem{Reason: "unknown key, ignored: look for it in docs/annotations.md and docs/configmap.md"}
}
