package delivery

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/yettproxy/yett/e2e/harness"
)

// canary is the app of the test, as the documentation of Flagger has it for ingress-nginx. Ten seconds are the least that it
// takes.
const canary = `
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: app, namespace: default}
spec:
  provider: nginx
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: app}
  ingressRef: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: app}
  progressDeadlineSeconds: 60
  service: {port: 80, portName: http, targetPort: 80}
  analysis:
    interval: 10s
    threshold: 2
    maxWeight: 60
    stepWeight: 30
    metrics:
    - {name: request-success-rate, thresholdRange: {min: 99}, interval: 1m}
`

// TestFlagger takes a new version through an analysis. The success rate comes from the gate's own metrics, found by the labels
// that Flagger asks for: without them it would roll back.
func TestFlagger(t *testing.T) {
	flagger.need(t)
	if testing.Short() {
		t.Skip("takes more than a minute; run without -short")
	}
	c := newCluster(t, flagger, "v1", "v2")
	if v := c.Version(t); !strings.HasPrefix(v, "v1.") {
		t.Skipf("Flagger does not take version %s of the API server: an old one is in the cache, which hack/localcluster/build makes anew once it is deleted", v)
	}
	c.Make(t, harness.Class("nginx", "k8s.io/ingress-nginx"))
	one := int32(1)
	deployment := &appsv1.Deployment{ObjectMeta: harness.Meta(namespace, "app"), Spec: appsv1.DeploymentSpec{
		Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "app"}},
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "app"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "v1"}}},
		},
	}}
	c.Make(t, deployment, harness.Ingress(namespace, "app", "nginx", host, "app"))
	g := harness.Start(t, binary, nil, c.Controller(harness.NodeIP)...)
	app := parse(t, canary)
	c.Make(t, app)
	flagger.run(t, "-kubeconfig", c.Kubeconfig, "-mesh-provider", "nginx", "-metrics-server", startPrometheus(t, g), "-control-loop-interval", "1s",
		"-log-level", "info")
	harness.Until(t, 60*time.Second, "the first version is the primary", func() bool { return c.phase(t, app) == "Initialized" })
	harness.Until(t, 5*time.Second, "the app answers", func() bool {
		_, body, _ := harness.Ask(harness.Browser(t), g.HTTP, host, "/")
		return body == "v1"
	})
	f := newTraffic(t, g.HTTP)
	harness.Change(t, c, deployment, func(o *appsv1.Deployment) { o.Spec.Template.Spec.Containers[0].Image = "v2" })
	c.step(t, f, "app-canary", "v2", "30", 18, 42)
	c.step(t, f, "app-canary", "v2", "60", 47, 73)
	harness.Until(t, 90*time.Second, "promoted", func() bool {
		phase := c.phase(t, app)
		if phase == "Failed" {
			t.Fatal("Flagger rolled back")
		}
		return phase == "Succeeded"
	})
	time.Sleep(300 * time.Millisecond)
	if got := f.share("v2"); got != 100 {
		t.Errorf("after the promotion v2 answers %.1f %%", got)
	}
}
