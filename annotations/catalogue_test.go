package annotations

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
)

// small is a catalogue that shows every kind of key.
func small() *Catalogue {
	return NewCatalogue([]feature.Family{
		{
			Name: "first",
			Keys: []feature.Key{
				{Name: "body-size", Global: "body-size", Type: "size", Default: "1m"},
				{Name: "guarding", OnInvalid: feature.DenyRoute, Risk: feature.Medium},
				{Name: "alias-of", Aliases: []string{"older-name"}},
				{Name: "ours-only", Own: true},
				{Name: "ours-guard", Own: true, OnInvalid: feature.DenyRoute},
				{Name: "risky", Risk: feature.Critical},
				{Name: "risky-text", Risk: feature.Critical, Lost: func(value string) string { return "; " + value + " is not in force" }},
				{Name: "risky-guard", Risk: feature.Critical, OnInvalid: feature.DenyRoute},
			},
			Settings: []feature.Key{{Name: "process-size", Type: "size", Default: "2m"}},
			Apply: func(in *feature.Reader, out *feature.Intent) {
				out.Policy.MaxBody = in.Size("body-size")
				out.DefaultBackend = in.String("risky") + in.String("risky-guard") + in.String("guarding") + in.String("alias-of")
				if in.String("ours-only") == "panic" {
					panic("told to")
				}
			},
			Configure: func(in *feature.Reader, out *ir.Settings) {
				out.Pool.Idle = int(in.Size("process-size"))
			},
		},
		{
			Name: "second",
			Keys: []feature.Key{
				{Name: "missing", Unsupported: "not there yet", Default: "off"},
				{Name: "missing-flag", Unsupported: "not there yet", Type: "bool", Global: "missing-flag"},
				{Name: "missing-guard", Unsupported: "not there yet", OnInvalid: feature.DenyRoute},
				{Name: "pointless", NoEffect: "nothing to do", Type: "bool", Default: "true"},
			},
			Settings: []feature.Key{
				{Name: "missing-setting", Unsupported: "not there yet"},
				{Name: "pointless-setting", NoEffect: "nothing to do"},
			},
		},
		{Name: "third", Apply: func(_ *feature.Reader, out *feature.Intent) { out.Regex = true }},
	})
}

// ingress returns a source; names without a slash get nginx's prefix, globals come in pairs.
func ingress(annotations map[string]string, globals ...string) *feature.Source {
	src := &feature.Source{Namespace: "shop", Prefixes: Prefixes(), Globals: map[string]string{}, Annotations: map[string]string{}}
	for name, value := range annotations {
		if !strings.Contains(name, "/") {
			name = feature.NginxPrefix + name
		}
		src.Annotations[name] = value
	}
	for i := 0; i+1 < len(globals); i += 2 {
		src.Globals[globals[i]] = globals[i+1]
	}
	return src
}

func TestApply(t *testing.T) {
	const word = `ignored: the value holds "lua", which annotation-value-word-blocklist in the ConfigMap forbids`
	for name, tt := range map[string]struct {
		annotations map[string]string
		globals     []string
		deny        int
		read        string
		want        []feature.Problem
	}{
		"an Ingress without annotations has no problems": {},
		"annotations of others do not matter":            {annotations: map[string]string{"example.com/body-size": "x"}},
		"a bad value is reported and the default holds": {
			annotations: map[string]string{"body-size": "x"}, want: []feature.Problem{{Key: "body-size", Value: "x", Reject: true}},
		},
		"a bad value of the ConfigMap is not repeated for every Ingress": {globals: []string{"body-size", "x"}},
		"a typing mistake is mended": {
			annotations: map[string]string{"bodysize": "1m"},
			want:        []feature.Problem{{Key: "bodysize", Value: "1m", Reason: "unknown key, ignored: did you mean body-size?"}},
		},
		"what is like nothing is only named": {
			annotations: map[string]string{"wholly-different": "1"},
			want: []feature.Problem{{Key: "wholly-different", Value: "1",
				Reason: "unknown key, ignored: look for it in docs/annotations.md and docs/configmap.md"}},
		},
		"a key that ingress-nginx dropped says what took its place": {
			annotations: map[string]string{"secure-backends": "true"},
			want: []feature.Problem{{Key: "secure-backends", Value: "true", Note: true,
				Reason: `ingress-nginx dropped it: write backend-protocol: "HTTPS"`}},
		},
		"whole families of them too": {
			annotations: map[string]string{"influxdb-host": "x"},
			want: []feature.Problem{{Key: "influxdb-host", Value: "x", Note: true,
				Reason: "ingress-nginx dropped it: read the metrics from /metrics, remove it"}},
		},
		"a directive of nginx's that nothing is needed for is only noted": {
			annotations: map[string]string{"proxy-buffers": "4 256k"},
			want: []feature.Problem{{Key: "proxy-buffers", Value: "4 256k", Note: true,
				Reason: "ignored, by ingress-nginx too: this is a directive of nginx's, and nothing is needed here, remove it"}},
		},
		"one that has a key names it": {
			annotations: map[string]string{"client_max_body_size": "8m"},
			want: []feature.Problem{{Key: "client_max_body_size", Value: "8m",
				Reason: "ignored, by ingress-nginx too: this is a directive of nginx's, write proxy-body-size"}},
		},
		"a ConfigMap key is no annotation": {
			annotations: map[string]string{"process-size": "x"},
			want: []feature.Problem{{Key: "process-size", Value: "x",
				Reason: "ignored: this is a key of the controller's ConfigMap, not an annotation"}},
		},
		"our own key under nginx's prefix is not read": {
			annotations: map[string]string{"ours-only": "panic"},
			want: []feature.Problem{{Key: "ours-only", Value: "panic",
				Reason: "ignored under this prefix: write yett.ingress.kubernetes.io/ours-only"}},
		},
		"but denies if it guards access": {
			annotations: map[string]string{"ours-guard": "x"}, deny: 503,
			want: []feature.Problem{{Key: "ours-guard", Value: "x", Denied: true, Reject: true,
				Reason: "ignored under this prefix: write yett.ingress.kubernetes.io/ours-guard"}},
		},
		"a key that is not there yet is named": {
			annotations: map[string]string{"missing": "on"}, want: []feature.Problem{{Key: "missing", Value: "on", Reason: "not there yet"}},
		},
		"but not if it is switched off anyway": {annotations: map[string]string{"missing": "OFF", "missing-flag": "f"}},
		"one that guards access denies": {
			annotations: map[string]string{"missing-guard": "x"}, deny: 503,
			want: []feature.Problem{{Key: "missing-guard", Value: "x", Reason: "not there yet", Denied: true, Reject: true}},
		},
		"a key with nothing to do is only noted": {
			annotations: map[string]string{"pointless": "false"},
			want:        []feature.Problem{{Key: "pointless", Value: "false", Reason: "nothing to do", Note: true}},
		},
		"and not if it says what holds anyway": {annotations: map[string]string{"pointless": "1"}},
		"a forbidden word takes the annotation out": {
			annotations: map[string]string{"alias-of": "x_by_lua"}, globals: []string{"annotation-value-word-blocklist", "load_module, lua"},
			want: []feature.Problem{{Key: "alias-of", Value: "x_by_lua", Reason: word, Reject: true}},
		},
		"also under its other name": {
			annotations: map[string]string{"older-name": "lua"}, globals: []string{"annotation-value-word-blocklist", "lua"},
			want: []feature.Problem{{Key: "older-name", Value: "lua", Reason: word, Reject: true}},
		},
		"and denies if the annotation guards access": {
			annotations: map[string]string{"guarding": "lua"}, globals: []string{"annotation-value-word-blocklist", "lua"}, deny: 503,
			want: []feature.Problem{{Key: "guarding", Value: "lua", Reason: word, Denied: true, Reject: true}},
		},
		"a risk above the level is taken out": {
			annotations: map[string]string{"risky": "x"},
			want: []feature.Problem{{Key: "risky", Value: "x", Reject: true,
				Reason: "ignored: the risk of this key is Critical, and annotations-risk-level in the ConfigMap allows High"}},
		},
		"and denies if the annotation guards access ": {
			annotations: map[string]string{"risky-guard": "x"}, deny: 503,
			want: []feature.Problem{{Key: "risky-guard", Value: "x", Denied: true, Reject: true,
				Reason: "ignored: the risk of this key is Critical, and annotations-risk-level in the ConfigMap allows High"}},
		},
		"what is lost with it is said": {
			annotations: map[string]string{"risky-text": "deny"},
			want: []feature.Problem{{Key: "risky-text", Value: "deny", Reject: true,
				Reason: "ignored: the risk of this key is Critical, and annotations-risk-level in the ConfigMap allows High; deny is not in force"}},
		},
		"the level can be raised": {
			annotations: map[string]string{"risky": "x"}, globals: []string{"annotations-risk-level", "critical"}, read: "x",
		},
		"and lowered": {
			annotations: map[string]string{"guarding": "x"}, globals: []string{"annotations-risk-level", "Low"}, deny: 503,
			want: []feature.Problem{{Key: "guarding", Value: "x", Denied: true, Reject: true,
				Reason: "ignored: the risk of this key is Medium, and annotations-risk-level in the ConfigMap allows Low"}},
		},
		"a level that is none is the lowest": {
			annotations: map[string]string{"risky": "x"}, globals: []string{"annotations-risk-level", "very high"},
			want: []feature.Problem{{Key: "risky", Value: "x", Reject: true,
				Reason: "ignored: the risk of this key is Critical, and annotations-risk-level in the ConfigMap allows Low"}},
		},
		"a panic denies the Ingress and the other families go on": {
			annotations: map[string]string{feature.YettPrefix + "ours-only": "panic"}, deny: 503,
			want: []feature.Problem{{Key: "first", Reason: "internal error, please report it: told to", Denied: true, Reject: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			intent, problems := small().Apply(ingress(tt.annotations, tt.globals...))
			for i := range problems {
				if i < len(tt.want) && tt.want[i].Reason == "" {
					problems[i].Reason = ""
				}
			}
			if !slices.Equal(problems, tt.want) {
				t.Errorf("problems\n%+v, want\n%+v", problems, tt.want)
			}
			if intent.Deny != tt.deny || (intent.DenyReason == "") != (tt.deny == 0) {
				t.Errorf("deny %d %q, want %d", intent.Deny, intent.DenyReason, tt.deny)
			}
			if intent.DefaultBackend != tt.read {
				t.Errorf("the families read %q, want %q", intent.DefaultBackend, tt.read)
			}
			if !intent.Regex {
				t.Error("the last family was not applied")
			}
		})
	}
}

func TestConfigure(t *testing.T) {
	settings, problems := small().Configure(ingress(nil,
		"body-size", "x", "process-size", "y", "proces-size", "1m", "missing-setting", "1", "missing-flag", "true",
		"pointless-setting", "1", "guarding", "x", "jaeger-host", "x", "annotations-risk-level", "High",
	))
	if settings.Pool.Idle != 2<<20 {
		t.Errorf("a bad value gave %d", settings.Pool.Idle)
	}
	want := []feature.Problem{
		{Key: "annotations-risk-level", Value: "High", Global: true, Reason: "unknown key, ignored: look for it in docs/annotations.md and docs/configmap.md"},
		{Key: "body-size", Value: "x", Global: true, Reason: `not a size: write digits with an optional k, m or g, such as "8m"`},
		{Key: "guarding", Value: "x", Global: true, Reason: "ignored: this is an annotation of Ingress objects, not a key of the ConfigMap"},
		{Key: "jaeger-host", Value: "x", Global: true, Note: true, Reason: "ingress-nginx dropped it: see enable-opentelemetry"},
		{Key: "missing-flag", Value: "true", Global: true, Reason: "not there yet"},
		{Key: "missing-setting", Value: "1", Global: true, Reason: "not there yet"},
		{Key: "pointless-setting", Value: "1", Global: true, Note: true, Reason: "nothing to do"},
		{Key: "proces-size", Value: "1m", Global: true, Reason: "unknown key, ignored: did you mean process-size?"},
		{Key: "process-size", Value: "y", Global: true, Reason: `not a size: write digits with an optional k, m or g, such as "8m"`},
	}
	if !reflect.DeepEqual(problems, want) {
		t.Errorf("problems\n%+v, want\n%+v", problems, want)
	}
}

func TestConfigureWithNothingSetGivesTheDefaults(t *testing.T) {
	settings, problems := Configure(&feature.Source{})
	settings.TLS, settings.Headers.HSTS = ir.TLSSettings{}, ir.DefaultSettings().Headers.HSTS
	if want := ir.DefaultSettings(); !reflect.DeepEqual(settings, want) {
		t.Errorf("%+v\nwant %+v", settings, want)
	}
	if len(problems) > 0 {
		t.Errorf("problems %+v", problems)
	}
}

func TestAPanicInConfigureIsContained(t *testing.T) {
	c := NewCatalogue([]feature.Family{{Name: "bad", Configure: func(*feature.Reader, *ir.Settings) { panic("told to") }}})
	if _, problems := c.Configure(&feature.Source{}); len(problems) != 1 || problems[0].Key != "bad" {
		t.Errorf("problems %+v", problems)
	}
}

func TestAdviceAboutDirectivesNamesKeysThatThereAre(t *testing.T) {
	for name, instead := range directives {
		if all.annotations[name] != nil || all.settings[name] != nil {
			t.Errorf("%s is a key", name)
		}
		if _, ok := retired(name); ok {
			t.Errorf("%s is a retired key, too", name)
		}
		known, text := all.annotations, instead
		if before, found := strings.CutSuffix(instead, " in the ConfigMap"); found {
			known, text = all.settings, before
		}
		for key := range strings.FieldsSeq(strings.ReplaceAll(text, ",", "")) {
			if key != "and" && key != "or" && known[key] == nil {
				t.Errorf("%s: there is no %s", name, key)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	list := []string{"proxy-body-size", "proxy-buffer-size", "ssl-redirect", "rewrite-target"}
	for name, want := range map[string]string{
		"proxy-body-siz": "proxy-body-size", "Proxy-Body-Size": "proxy-body-size", "proxy_body_size": "proxy-body-size",
		"ssl-redirekt": "ssl-redirect", "rewrite-targets": "rewrite-target", "redirect": "", "x": "", "": "",
		strings.Repeat("x", 300): "",
	} {
		if got := nearest(name, list); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
