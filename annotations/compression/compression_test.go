package compression

import (
	"slices"
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
)

func TestDefaultsAreIngressNginxs(t *testing.T) {
	settings, _ := featuretest.Configure(&Family, featuretest.Input{})
	if c := settings.Compression; c.Gzip.On || c.Brotli.On {
		t.Errorf("%+v", c)
	}
	settings, out := featuretest.Configure(&Family, featuretest.Input{ConfigMap: map[string]string{"use-gzip": "true", "enable-brotli": "true"}})
	c := settings.Compression
	if c.Gzip.Level != 1 || c.Gzip.MinLength != 256 || c.Brotli.Level != 4 || c.Brotli.MinLength != 20 {
		t.Errorf("%+v", c)
	}
	if len(c.Gzip.Types) != 17 || !slices.Equal(c.Gzip.Types, c.Brotli.Types) || !slices.Contains(c.Gzip.Types, "application/json") {
		t.Errorf("types %q", c.Gzip.Types)
	}
	if len(out.Problems) > 0 {
		t.Errorf("%v", out.Problems)
	}
}

func TestSettingsAreReadAndMistakesTold(t *testing.T) {
	settings, out := featuretest.Configure(&Family, featuretest.Input{ConfigMap: map[string]string{
		"use-gzip": "true", "gzip-level": "10", "gzip-min-length": "1000", "gzip-types": "*", "gzip-disable": "msie [1-6]\\.(?!.*SV1)",
		"enable-brotli": "1", "brotli-level": "11", "brotli-types": "text/css  font/ttf", "brotli-min-length": "-1",
	}})
	c := settings.Compression
	if !c.Gzip.On || c.Gzip.Level != 1 || c.Gzip.MinLength != 1000 || !slices.Equal(c.Gzip.Types, []string{"*"}) || c.GzipDisable == "" {
		t.Errorf("gzip %+v", c)
	}
	if !c.Brotli.On || c.Brotli.Level != 11 || c.Brotli.MinLength != 20 || !slices.Equal(c.Brotli.Types, []string{"text/css", "font/ttf"}) {
		t.Errorf("brotli %+v", c.Brotli)
	}
	if !slices.Equal(out.Refused, []string{"gzip-level", "brotli-min-length"}) {
		t.Errorf("refused %q", out.Refused)
	}
	settings, out = featuretest.Configure(&Family, featuretest.Input{ConfigMap: map[string]string{"use-gzip": "true", "gzip-disable": "("}})
	if settings.Compression.GzipDisable != "" || !slices.Equal(out.Refused, []string{"gzip-disable"}) {
		t.Errorf("%+v refused %q", settings.Compression, out.Refused)
	}
}
