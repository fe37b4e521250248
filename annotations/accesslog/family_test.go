package accesslog

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/observe"
)

func TestApply(t *testing.T) {
	type kv = map[string]string
	tests := map[string]struct {
		annotations kv
		want        bool
		refused     []string
	}{
		"no key at all":             {nil, true, nil},
		"switched off":              {kv{"enable-access-log": "false"}, false, nil},
		"our prefix wins":           {kv{"enable-access-log": "false", feature.YettPrefix + "enable-access-log": "true"}, true, nil},
		"a value that is no bool":   {kv{"enable-access-log": "off"}, true, []string{"enable-access-log"}},
		"ConfigMap keys are no use": {kv{"disable-access-log": "true"}, true, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations})
			if out.AccessLog != tt.want {
				t.Errorf("access log %v, want %v", out.AccessLog, tt.want)
			}
			if diff := cmp.Diff(tt.refused, out.Refused); diff != "" {
				t.Errorf("refused keys (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConfigure(t *testing.T) {
	type kv = map[string]string
	tests := map[string]struct {
		configMap kv
		want      ir.LogSettings
		refused   []string
	}{
		"nothing":                    {nil, ir.LogSettings{}, nil},
		"no log":                     {kv{"disable-access-log": "true"}, ir.LogSettings{Disabled: true}, nil},
		"no log of HTTP":             {kv{"disable-http-access-log": "true"}, ir.LogSettings{Disabled: true}, nil},
		"a format":                   {kv{"log-format-upstream": `{"status":$status}`, "log-format-escape-json": "true"}, ir.LogSettings{Format: `{"status":$status}`, EscapeJSON: true}, nil},
		"a format that is not read":  {kv{"log-format-upstream": "$nosuch"}, ir.LogSettings{Format: "$nosuch"}, []string{"log-format-upstream"}},
		"no escaping":                {kv{"log-format-escape-none": "true"}, ir.LogSettings{EscapeNone: true}, nil},
		"a bad escaping":             {kv{"log-format-escape-none": "x"}, ir.LogSettings{}, []string{"log-format-escape-none"}},
		"a path":                     {kv{"access-log-path": "/var/log/a.log"}, ir.LogSettings{Path: "/var/log/a.log"}, nil},
		"the path of HTTP wins":      {kv{"access-log-path": "/a", "http-access-log-path": "/b"}, ir.LogSettings{Path: "/b"}, nil},
		"standard output":            {kv{"access-log-path": "/dev/stdout"}, ir.LogSettings{}, nil},
		"the image's path":           {kv{"http-access-log-path": imageLog}, ir.LogSettings{}, nil},
		"a relative path":            {kv{"access-log-path": "a.log"}, ir.LogSettings{}, []string{"access-log-path"}},
		"URIs that are not logged":   {kv{"skip-access-log-urls": "/healthz, ~^/static/,~*\\.ICO$"}, ir.LogSettings{SkipURLs: []string{"/healthz", "~^/static/", "~*\\.ICO$"}}, nil},
		"a URI that is no pattern":   {kv{"skip-access-log-urls": "~(,/healthz"}, ir.LogSettings{SkipURLs: []string{"/healthz"}}, []string{"skip-access-log-urls"}},
		"the default backend's too":  {kv{"enable-access-log-for-default-backend": "true"}, ir.LogSettings{DefaultBackend: true}, nil},
		"annotations' key is no use": {kv{"enable-access-log": "false"}, ir.LogSettings{}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, out := featuretest.Configure(&Family, featuretest.Input{ConfigMap: tt.configMap})
			if diff := cmp.Diff(tt.want, s.Log); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.refused, out.Refused); diff != "" {
				t.Errorf("refused keys (-want +got):\n%s", diff)
			}
			if _, err := observe.CompileLog(s.Log); (err != nil) != (tt.want.Format == "$nosuch") {
				t.Errorf("the log compiles to %v", err)
			}
		})
	}
}
