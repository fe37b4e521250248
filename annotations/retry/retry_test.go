package retry

import (
	"slices"
	"testing"
	"time"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/ir"
)

func TestRetry(t *testing.T) {
	standard := ir.RetryError | ir.RetryTimeout
	for name, tt := range map[string]struct {
		annotations, configMap map[string]string
		want                   ir.Retry
		refused                []string
	}{
		"nginx's defaults hold when nothing is set": {
			want: ir.Retry{On: standard, Tries: 3},
		},
		"every condition of nginx is known": {
			annotations: map[string]string{
				"proxy-next-upstream": "error timeout invalid_header http_500 http_502 http_503 http_504 http_403 http_404 http_429 non_idempotent",
			},
			want: ir.Retry{On: standard | ir.RetryInvalidHeader | ir.Retry403 | ir.Retry404 | ir.Retry429 | ir.Retry500 | ir.Retry502 |
				ir.Retry503 | ir.Retry504 | ir.RetryNonIdempotent, Tries: 3},
		},
		"off means one try": {
			annotations: map[string]string{"proxy-next-upstream": "off", "proxy-next-upstream-tries": "5"},
			want:        ir.Retry{Tries: 1},
		},
		"off wins over what else is listed": {
			annotations: map[string]string{"proxy-next-upstream": "error off"},
			want:        ir.Retry{Tries: 1},
		},
		"non_idempotent alone is no condition": {
			annotations: map[string]string{"proxy-next-upstream": "non_idempotent"},
			want:        ir.Retry{Tries: 1},
		},
		"limits are read": {
			annotations: map[string]string{"proxy-next-upstream-timeout": "4", "proxy-next-upstream-tries": "2"},
			want:        ir.Retry{On: standard, Tries: 2, Timeout: 4 * time.Second},
		},
		"no limit of tries stays none, whatever the ConfigMap says": {
			annotations: map[string]string{"proxy-next-upstream-tries": "0"},
			configMap:   map[string]string{"proxy-next-upstream-tries": "500"},
			want:        ir.Retry{On: standard},
		},
		"the ConfigMap lets all methods be repeated": {
			configMap: map[string]string{"retry-non-idempotent": "true"},
			want:      ir.Retry{On: standard | ir.RetryNonIdempotent, Tries: 3},
		},
		"retry-non-idempotent is no annotation": {
			annotations: map[string]string{"retry-non-idempotent": "true"},
			want:        ir.Retry{On: standard, Tries: 3},
		},
		"a word that is none refuses the list, and the ConfigMap's counts": {
			annotations: map[string]string{"proxy-next-upstream": "error http_418"},
			configMap:   map[string]string{"proxy-next-upstream": "http_502"},
			want:        ir.Retry{On: ir.Retry502, Tries: 3},
			refused:     []string{"proxy-next-upstream"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations, ConfigMap: tt.configMap})
			if out.Policy.Retry != tt.want {
				t.Errorf("%+v, want %+v", out.Policy.Retry, tt.want)
			}
			if !slices.Equal(out.Refused, tt.refused) {
				t.Errorf("refused %v, want %v", out.Refused, tt.refused)
			}
		})
	}
}

func TestTooManyTriesAreCut(t *testing.T) {
	out := featuretest.Apply(&Family, featuretest.Input{Annotations: map[string]string{"proxy-next-upstream-tries": "500"}})
	if out.Policy.Retry.Tries != 8 {
		t.Errorf("%d tries, want 8", out.Policy.Retry.Tries)
	}
}
