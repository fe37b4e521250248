package passthrough

import (
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
)

func TestPassthrough(t *testing.T) {
	for value, want := range map[string]struct {
		on       bool
		problems int
	}{"": {false, 0}, "true": {true, 0}, "false": {false, 0}, "yes": {false, 1}} {
		out := featuretest.Apply(&Family, featuretest.Input{Annotations: map[string]string{"ssl-passthrough": value}})
		if out.Host.Passthrough != want.on || len(out.Problems) != want.problems || out.Denied {
			t.Errorf("%q: %v, problems %v", value, out.Host.Passthrough, out.Problems)
		}
	}
}
