package rollout

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// TestLiveServerDown ends the API server and etcd and starts them again.
func TestLiveServerDown(t *testing.T) {
	away := length(20*time.Second, 2*time.Minute)
	requests := promise(t, fmt.Sprintf("API server and etcd killed for %s", away), "0 failed")
	state := promise(t, "a change after their return", "live within 5 s")
	own := os.Getenv(ownEnv)
	if own == "" {
		t.Skip("ends the API server, which only a cluster of ours may have done to it")
	}
	c := deployed(t).live
	l := (&load{target: fixed(c.http), host: "app.test", rate: 100, check: func(status int, _ string) error {
		if status != 200 && status != 301 { // the change at the end
			return fmt.Errorf("status %d", status)
		}
		return nil
	}}).start(t)
	turn := func(what string, programs ...string) {
		t.Helper()
		for _, program := range programs {
			if err := localcluster(what, own, program); err != nil {
				t.Fatal(err)
			}
		}
	}
	turn("stop", "apiserver", "etcd")
	time.Sleep(away)
	turn("start", "etcd", "apiserver")
	const key = prefix + "permanent-redirect"
	harness.Until(t, time.Minute, "the API server is back", func() bool {
		_, err := c.try("-n", appNamespace, "annotate", "--overwrite", "ingress", "echo", key+"=https://elsewhere.test")
		return err == nil
	})
	back := harness.Until(t, time.Minute, "a change after its return", func() bool { return answers(c.http, "app.test", 301, "") })
	c.kubectl(t, "-n", appNamespace, "annotate", "ingress", "echo", key+"-")
	harness.Until(t, 5*time.Second, "and back", func() bool { return answers(c.http, "app.test", 200, "") })
	text, met := l.figure(t)
	requests.is(met, "%s", text)
	state.is(back <= 5*time.Second, "after %s", back.Round(time.Millisecond))
	c.kubectl(t, "wait", "--for=condition=Ready", "node", "--all", "--timeout=60s")
}
