package ratelimit

import (
	"strings"
	"testing"

	"github.com/yettproxy/yett/annotations/feature"
)

// read applies the family to an Ingress. Annotations without a prefix get nginx's.
func read(t *testing.T, annotations, globals map[string]string) (*feature.Intent, []feature.Problem, bool) {
	t.Helper()
	src := &feature.Source{
		Namespace: "ns", Annotations: map[string]string{}, Globals: globals,
		Prefixes: []string{feature.YettPrefix, feature.NginxPrefix},
	}
	for k, v := range annotations {
		if !strings.Contains(k, "/") {
			k = feature.NginxPrefix + k
		}
		src.Annotations[k] = v
	}
	in := feature.Open(src).Reader(Family.KeySet())
	out := feature.NewIntent()
	Family.Apply(in, out)
	problems, deny := in.Problems()
	return out, problems, deny
}

func TestApply(t *testing.T) {
	type set = map[string]string
	for name, c := range map[string]struct {
		annotations, globals set
		want                 string // the filters
		deny                 bool
		problem              string
	}{
		"nothing set":  {},
		"zero is none": {annotations: set{"limit-rps": "0", "limit-rpm": "0", "limit-connections": "0"}},
		"per second":   {annotations: set{"limit-rps": "10"}, want: "limit-requests(10/s 0/min burst ×5, else 503)"},
		"per minute":   {annotations: set{"limit-rpm": "100"}, want: "limit-requests(0/s 100/min burst ×5, else 503)"},
		"both with a burst of their own": {
			annotations: set{"limit-rps": "10", "limit-rpm": "100", "limit-burst-multiplier": "2"},
			want:        "limit-requests(10/s 100/min burst ×2, else 503)",
		},
		"our prefix wins": {
			annotations: set{"limit-rps": "10", feature.YettPrefix + "limit-rps": "20"},
			want:        "limit-requests(20/s 0/min burst ×5, else 503)",
		},
		"connections": {annotations: set{"limit-connections": "3"}, want: "limit-connections(3, else 503)"},
		"requests come first": {
			annotations: set{"limit-connections": "3", "limit-rps": "1"},
			want:        "limit-requests(1/s 0/min burst ×5, else 503) limit-connections(3, else 503)",
		},
		"the ConfigMap's statuses": {
			annotations: set{"limit-connections": "3", "limit-rps": "1"},
			globals:     set{"limit-req-status-code": "429", "limit-conn-status-code": "509"},
			want:        "limit-requests(1/s 0/min burst ×5, else 429) limit-connections(3, else 509)",
		},
		"a status that is none": {
			annotations: set{"limit-rps": "1"}, globals: set{"limit-req-status-code": "200"},
			want: "limit-requests(1/s 0/min burst ×5, else 503)", problem: "between 400 and 599",
		},
		"statuses are not annotations": {
			annotations: set{"limit-rps": "1", "limit-req-status-code": "429"},
			want:        "limit-requests(1/s 0/min burst ×5, else 503)",
		},
		"exempt networks": {
			annotations: set{"limit-rps": "1", "limit-allowlist": "10.0.0.0/8,192.0.2.1"},
			want:        "limit-requests(1/s 0/min burst ×5, else 503, not [10.0.0.0/8 192.0.2.1/32])",
		},
		"exempt networks, old name": {
			annotations: set{"limit-rps": "1", "limit-whitelist": "10.0.0.0/8"},
			want:        "limit-requests(1/s 0/min burst ×5, else 503, not [10.0.0.0/8])",
		},
		"words for a rate":          {annotations: set{"limit-rps": "abc"}, deny: true, problem: "not a number"},
		"a unit behind the rate":    {annotations: set{"limit-rpm": "10r/m"}, deny: true, problem: "not a number"},
		"a negative rate":           {annotations: set{"limit-rps": "-1"}, deny: true, problem: "not a number"},
		"more than can be counted":  {annotations: set{"limit-rps": "99999999999"}, deny: true, problem: "not a number"},
		"words for connections":     {annotations: set{"limit-connections": "many"}, deny: true, problem: "not a number"},
		"bad exempt networks":       {annotations: set{"limit-rps": "1", "limit-allowlist": "10.0.0.0/33"}, deny: true, problem: "neither"},
		"words for the multiplier":  {annotations: set{"limit-rps": "1", "limit-burst-multiplier": "x"}, want: "limit-requests(1/s 0/min burst ×5, else 503)", problem: "not a number"},
		"a multiplier that is zero": {annotations: set{"limit-rps": "1", "limit-burst-multiplier": "0"}, want: "limit-requests(1/s 0/min burst ×0, else 503)"},
	} {
		t.Run(name, func(t *testing.T) {
			out, problems, deny := read(t, c.annotations, c.globals)
			var got []string
			for _, s := range out.Filters {
				got = append(got, s.String())
			}
			if !deny && strings.Join(got, " ") != c.want {
				t.Errorf("filters %q, want %q", got, c.want)
			}
			if deny != c.deny {
				t.Errorf("deny %v, want %v", deny, c.deny)
			}
			if c.problem == "" && len(problems) > 0 || c.problem != "" && (len(problems) != 1 || !strings.Contains(problems[0].Reason, c.problem)) {
				t.Errorf("problems %+v, want one with %q", problems, c.problem)
			}
		})
	}
}
