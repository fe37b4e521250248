package delivery

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/e2e/harness"
)

// traffic is a stream of requests for one host, and what became of them.
type traffic struct {
	client  *http.Client
	address string

	mu     sync.Mutex
	sent   int
	failed []string
	last   map[string]int // answers since the last look
}

// host is that of the app.
const host = "app.test"

// newTraffic sends some hundred requests a second until the end of the test, which fails if one of them did.
func newTraffic(t *testing.T, address string) *traffic {
	t.Helper()
	f := &traffic{client: harness.Browser(t), address: address, last: map[string]int{}}
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(3 * time.Millisecond):
				f.one()
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		done.Wait()
		t.Logf("%d requests, %d failed", f.sent, len(f.failed))
		if len(f.failed) > 0 {
			t.Errorf("%d of %d requests failed: %q", len(f.failed), f.sent, f.failed[:min(len(f.failed), 5)])
		}
	})
	return f
}

// one sends a request.
func (f *traffic) one() {
	status, body, err := harness.Ask(f.client, f.address, host, "/")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent++
	f.last[body]++
	if err != nil || status != http.StatusOK {
		f.failed = append(f.failed, fmt.Sprint(time.Now().Format("05.000"), " ", status, err))
	}
}

// share returns which share of the next requests a version answers, in percent.
func (f *traffic) share(version string) float64 {
	const requests = 400
	f.mu.Lock()
	clear(f.last)
	f.mu.Unlock()
	for {
		time.Sleep(10 * time.Millisecond)
		f.mu.Lock()
		n, all := f.last[version], 0
		for _, k := range f.last {
			all += k
		}
		f.mu.Unlock()
		if all >= requests {
			return 100 * float64(n) / float64(all)
		}
	}
}

// weight returns the weight in the annotations of an Ingress, "" if there is none.
func (c *cluster) weight(t *testing.T, name string) string {
	t.Helper()
	var o networkingv1.Ingress
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &o); err != nil {
		return ""
	}
	return o.Annotations["nginx.ingress.kubernetes.io/canary-weight"]
}

// step waits until a controller has set a weight, and checks that clients see it. The bounds are five standard deviations of
// 400 requests.
func (c *cluster) step(t *testing.T, f *traffic, ingress, version, weight string, least, most float64) {
	t.Helper()
	harness.Until(t, 90*time.Second, "weight "+weight, func() bool { return c.weight(t, ingress) == weight })
	time.Sleep(300 * time.Millisecond) // the bar for a change to reach clients
	got := f.share(version)
	t.Logf("weight %s: %.1f %% of the requests", weight, got)
	if got < least || got > most {
		t.Errorf("weight %s: %.1f %% of the requests, want %v to %v", weight, got, least, most)
	}
}
