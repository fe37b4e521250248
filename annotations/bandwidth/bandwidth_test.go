package bandwidth

import (
	"slices"
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
)

func TestBandwidth(t *testing.T) {
	type kv = map[string]string
	for name, tt := range map[string]struct {
		in          featuretest.Input
		rate, after int64
		refused     []string
	}{
		"no limit":                      {},
		"kilobytes":                     {in: featuretest.Input{Annotations: kv{"limit-rate": "10", "limit-rate-after": "2"}}, rate: 10240, after: 2048},
		"the ConfigMap's":               {in: featuretest.Input{ConfigMap: kv{"limit-rate": "1"}}, rate: 1024},
		"the annotation lifts it":       {in: featuretest.Input{ConfigMap: kv{"limit-rate": "1"}, Annotations: kv{"limit-rate": "0"}}},
		"units and signs are not known": {in: featuretest.Input{Annotations: kv{"limit-rate": "10k", "limit-rate-after": "-1"}}, refused: []string{"limit-rate", "limit-rate-after"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, tt.in)
			if p := out.Policy; p.Rate != tt.rate || p.RateAfter != tt.after || !slices.Equal(out.Refused, tt.refused) {
				t.Errorf("rate %d after %d, refused %v; want %d, %d, %v", p.Rate, p.RateAfter, out.Refused, tt.rate, tt.after, tt.refused)
			}
		})
	}
}
