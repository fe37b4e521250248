package delivery

import (
	"io"
	"net/http"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/yettproxy/yett/e2e/harness"
)

// rollout is the app of the test, as the documentation of Argo Rollouts has it for ingress-nginx.
const rollout = `
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: app, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec: {containers: [{name: app, image: v1}]}
  strategy:
    canary:
      canaryService: app-canary
      stableService: app-stable
      trafficRouting: {nginx: {stableIngress: app, additionalIngressAnnotations: {canary-by-header: X-Canary}}}
      steps:
      - {setWeight: 20}
      - {pause: {duration: 4s}}
      - {setWeight: 60}
      - {pause: {duration: 4s}}
`

// parse returns an object of somebody else's kind.
func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	return o
}

// phase returns a field of an object's status.
func (c *cluster) phase(t *testing.T, o *unstructured.Unstructured) string {
	t.Helper()
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
		t.Fatal(err)
	}
	text, _, _ := unstructured.NestedString(o.Object, "status", "phase")
	return text
}

// chosen returns which version answers somebody who asks for the canary.
func chosen(t *testing.T, address string) string {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	request.Header.Set("X-Canary", "always")
	response, err := harness.Browser(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// TestArgoRollouts takes a new version through the steps of a Rollout.
func TestArgoRollouts(t *testing.T) {
	argo.need(t)
	c := newCluster(t, argo, "v1", "v2")
	c.Make(t, harness.Class("nginx", "k8s.io/ingress-nginx"))
	for _, name := range []string{"app-stable", "app-canary"} {
		s := harness.Service(namespace, name)
		s.Spec.Selector = map[string]string{"app": "app"}
		c.Make(t, s)
	}
	// A second path to another Service: the canary Ingress repeats it, which must change nothing.
	ingress := harness.Ingress(namespace, "app", "nginx", host, "app-stable")
	ingress.Spec.Rules[0].HTTP.Paths = append(ingress.Spec.Rules[0].HTTP.Paths, harness.Path(networkingv1.PathTypePrefix, "/other", "missing"))
	c.Make(t, ingress)
	app := parse(t, rollout)
	c.Make(t, app)
	g := harness.Start(t, binary, nil, c.Controller(harness.NodeIP)...)
	argo.run(t, "--kubeconfig", c.Kubeconfig, "--leader-elect=false", "--loglevel", "warn")
	harness.Until(t, 30*time.Second, "the first version is healthy", func() bool { return c.phase(t, app) == "Healthy" })
	harness.Until(t, 5*time.Second, "the app answers", func() bool {
		_, body, _ := harness.Ask(harness.Browser(t), g.HTTP, host, "/")
		return body == "v1"
	})
	f := newTraffic(t, g.HTTP)
	const canary = "app-app-canary"
	for _, next := range []string{"v2", "v1"} { // there and back: the canary Ingress is kept between
		harness.Change(t, c, app, func(o *unstructured.Unstructured) {
			template, _, _ := unstructured.NestedMap(o.Object, "spec", "template", "spec")
			template["containers"] = []any{map[string]any{"name": "app", "image": next}}
			if err := unstructured.SetNestedMap(o.Object, template, "spec", "template", "spec"); err != nil {
				t.Fatal(err)
			}
		})
		c.step(t, f, canary, next, "20", 10, 30)
		if status, _, err := harness.Ask(harness.Browser(t), g.HTTP, host, "/other"); status != 503 {
			t.Errorf("the path of another Service answers %d %v", status, err)
		}
		if got := chosen(t, g.HTTP); got != next {
			t.Errorf("with X-Canary: always %q answers, want %q", got, next)
		}
		c.step(t, f, canary, next, "60", 47, 73)
		harness.Until(t, 30*time.Second, "promoted", func() bool { return c.phase(t, app) == "Healthy" && c.weight(t, canary) == "0" })
		time.Sleep(300 * time.Millisecond)
		if got := f.share(next); got != 100 {
			t.Errorf("after the promotion of %s it answers %.1f %%", next, got)
		}
	}
}
