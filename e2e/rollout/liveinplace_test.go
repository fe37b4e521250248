package rollout

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// oldRelease is the release of ingress-nginx that is switched, and its namespace.
const oldRelease, oldNamespace = "ingress-nginx", "rollout-in-place"

// TestLiveInPlace switches a release of ingress-nginx (a stand-in with its names) to yett and back, by Helm, under load and
// with the same values.
func TestLiveInPlace(t *testing.T) {
	there := promise(t, "helm upgrade of ingress-nginx to yett, in place", "0 failed, objects kept")
	back := promise(t, "helm rollback to ingress-nginx", "0 failed, objects kept")
	gone := promise(t, "helm uninstall", "nothing of the release left")
	c := newLive(t, "in-place")
	if found, err := c.live.try("get", "ingressclass", "nginx", "-o", "name"); err == nil {
		t.Fatalf("%s is there already: the scenario needs that name", found)
	}
	live := c.live
	values := "testdata/ingress-nginx-values.yaml"
	t.Cleanup(func() {
		_, _ = live.tryHelm("uninstall", oldRelease, "--namespace", oldNamespace, "--ignore-not-found")
	})
	live.helm(t, "install", oldRelease, "testdata/ingress-nginx", "--namespace", oldNamespace, "--values", values, "--wait", "--timeout", "120s")
	address, _, err := live.addresses(oldNamespace, oldRelease+"-controller")
	if err != nil {
		t.Fatal(err)
	}
	c.backend(t, "app")
	ingress := c.ingress("app", "app.test", "app")
	class := "nginx"
	ingress.Spec.IngressClassName = &class
	c.apply(t, ingress)
	harness.Until(t, 10*time.Second, "the old release answers", func() bool { return answers(address, "app.test", 200, oldRelease) })
	before := live.identities(t)

	l := (&load{target: fixed(address), host: "app.test", rate: 100}).start(t)
	live.helm(t, "upgrade", oldRelease, chart, "--namespace", oldNamespace, "--values", values, "--set", "nameOverride="+oldRelease,
		"--set", "yett.image.registry=localhost,yett.image.image=yett", "--wait", "--timeout", "170s")
	harness.Until(t, 30*time.Second, "yett answers", func() bool { return answers(address, "app.test", 200, "app") })
	time.Sleep(8 * time.Second) // the old pods go after five
	text, met := l.figure(t)
	kept := live.identities(t)
	there.is(met && kept == before && answers(address, "app.test", 200, "app"), "%s; objects %s", text, sameness(before, kept))

	l = (&load{target: fixed(address), host: "app.test", rate: 100}).start(t)
	live.helm(t, "rollback", oldRelease, "1", "--namespace", oldNamespace, "--wait", "--timeout", "170s")
	harness.Until(t, 30*time.Second, "the old release answers again", func() bool { return answers(address, "app.test", 200, oldRelease) })
	time.Sleep(15 * time.Second) // yett's shutdown grace period and its last requests
	text, met = l.figure(t)
	kept = live.identities(t)
	back.is(met && kept == before && answers(address, "app.test", 200, oldRelease), "%s; objects %s", text, sameness(before, kept))

	live.helm(t, "upgrade", oldRelease, chart, "--namespace", oldNamespace, "--values", values, "--set", "nameOverride="+oldRelease,
		"--set", "yett.image.registry=localhost,yett.image.image=yett", "--wait", "--timeout", "170s")
	live.helm(t, "uninstall", oldRelease, "--namespace", oldNamespace, "--wait", "--timeout", "120s")
	left := ""
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Second) { // pods drain
		left = live.kubectl(t, "get", "all,configmaps,secrets,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,ingressclasses,"+
			"validatingwebhookconfigurations,poddisruptionbudgets,networkpolicies", "--all-namespaces", "-l", "app.kubernetes.io/instance="+oldRelease, "-o", "name")
		if left == "" {
			break
		}
	}
	gone.is(left == "", "left: %q", left)
}

// identities are the UIDs and addresses that a switch in place has to keep.
func (c *live) identities(t *testing.T) string {
	t.Helper()
	var list []string
	for _, object := range []string{"service/ingress-nginx-controller", "configmap/ingress-nginx-controller", "deployment/ingress-nginx-controller", "ingressclass/nginx"} {
		list = append(list, object+" "+c.kubectl(t, "-n", oldNamespace, "get", object, "-o",
			"jsonpath={.metadata.uid} {.spec.clusterIP} {.spec.ports[*].nodePort}"))
	}
	return strings.Join(list, "\n")
}

// sameness says whether two lists of identities are the same.
func sameness(before, now string) string {
	if before == now {
		return "kept"
	}
	return fmt.Sprintf("differ: %s, were %s", now, before)
}
