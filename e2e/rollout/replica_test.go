package rollout

import (
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// replica is a running yett, as far as clients see it.
type replica struct {
	http, https string
	// Gate is its process; nil in a whole cluster, where it is not ours.
	*harness.Gate
}

// controller runs yett for a scenario and waits until it serves. Its name is its pod's.
func (c *cluster) controller(t *testing.T, name string, more ...string) *replica {
	t.Helper()
	g := harness.Start(t, suite.binary, []string{"POD_NAME=" + name, "POD_NAMESPACE=" + c.name}, append([]string{"controller", "--kubeconfig", c.kubeconfig,
		"--controller-class", "rollout.test/" + c.name, "--ingress-class", c.name, "--http-port", "0", "--https-port", "0",
		"--healthz-port", "0", "--healthz-host", harness.NodeIP, "--bind-address", harness.NodeIP, "--profiling=false", "--election-id", c.name}, more...)...)
	harness.Until(t, 60*time.Second, "ready", g.Ready)
	return &replica{g.HTTP, g.HTTPS, g}
}

// ended reports whether the process is gone.
func (r *replica) ended() bool {
	select {
	case <-r.Done():
		return true
	default:
		return false
	}
}
