package clientlimits

import (
	"slices"
	"testing"
	"time"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/ir"
)

func TestTheDefaultsAreThoseOfTheDataPlane(t *testing.T) {
	got, out := featuretest.Configure(&Family, featuretest.Input{})
	want := ir.DefaultSettings()
	if got.Limits != want.Limits || got.Pool != want.Pool || got.DrainTimeout != want.DrainTimeout {
		t.Errorf("%+v %+v %v, want %+v %+v %v", got.Limits, got.Pool, got.DrainTimeout, want.Limits, want.Pool, want.DrainTimeout)
	}
	if len(out.Problems) > 0 {
		t.Errorf("problems %v", out.Problems)
	}
}

func TestAllKeysAreRead(t *testing.T) {
	got, out := featuretest.Configure(&Family, featuretest.Input{ConfigMap: map[string]string{
		"client-header-timeout": "1", "client-body-timeout": "2", "keep-alive": "3", "keep-alive-requests": "4",
		"large-client-header-buffers": "2 16k", "use-http2": "false", "http2-max-concurrent-streams": "10", "enable-underscores-in-headers": "true",
		"upstream-keepalive-connections": "5", "upstream-keepalive-timeout": "6", "upstream-keepalive-time": "7m",
		"upstream-keepalive-requests": "8", "worker-shutdown-timeout": "9s",
	}})
	want := ir.DefaultSettings()
	want.Limits.HeadTimeout, want.Limits.BodyTimeout, want.Limits.IdleTimeout = time.Second, 2*time.Second, 3*time.Second
	want.Limits.RequestsPerConnection = 4
	want.Limits.LineBytes, want.Limits.HeadBytes = 16<<10, 32<<10
	want.Limits.UnderscoresInNames = true
	want.Limits.ConcurrentStreams = 10
	if !got.TLS.HTTP1Only {
		t.Error("use-http2: false has no effect")
	}
	want.Pool = ir.PoolSettings{Idle: 5, Timeout: 6 * time.Second, Lifetime: 7 * time.Minute, Requests: 8}
	want.DrainTimeout = 9 * time.Second
	if got.Limits != want.Limits || got.Pool != want.Pool || got.DrainTimeout != want.DrainTimeout {
		t.Errorf("%+v %+v %v, want %+v %+v %v", got.Limits, got.Pool, got.DrainTimeout, want.Limits, want.Pool, want.DrainTimeout)
	}
	if len(out.Problems) > 0 {
		t.Errorf("problems %v", out.Problems)
	}
}

func TestKeepAliveOfZeroClosesAfterEachResponse(t *testing.T) {
	got, _ := featuretest.Configure(&Family, featuretest.Input{ConfigMap: map[string]string{"keep-alive": "0"}})
	if got.Limits.RequestsPerConnection != 1 || got.Limits.IdleTimeout <= 0 {
		t.Errorf("%+v", got.Limits)
	}
}

func TestBadValuesAreRefusedAndTheDefaultHolds(t *testing.T) {
	for key, values := range map[string][]string{
		"client-header-timeout":          {"0", "-1", "1h", "x"},
		"client-body-timeout":            {"0"},
		"keep-alive":                     {"-1"},
		"keep-alive-requests":            {"0", "many"},
		"large-client-header-buffers":    {"4", "4 1", "0 8k", "4 8k 9", "2000 8k", "4 2m", "8k 4"},
		"enable-underscores-in-headers":  {"yes"},
		"use-http2":                      {"yes"},
		"http2-max-concurrent-streams":   {"0", "x", "100000"},
		"upstream-keepalive-connections": {"-1"},
		"upstream-keepalive-timeout":     {"0"},
		"upstream-keepalive-time":        {"0", "1 hour"},
		"upstream-keepalive-requests":    {"0"},
		"worker-shutdown-timeout":        {"four minutes"},
	} {
		for _, value := range values {
			got, out := featuretest.Configure(&Family, featuretest.Input{ConfigMap: map[string]string{key: value}})
			want := ir.DefaultSettings()
			if got.Limits != want.Limits || got.Pool != want.Pool || got.DrainTimeout != want.DrainTimeout {
				t.Errorf("%s: %q changed a setting", key, value)
			}
			if !slices.Equal(out.Refused, []string{key}) {
				t.Errorf("%s: %q: refused %v", key, value, out.Refused)
			}
		}
	}
}
