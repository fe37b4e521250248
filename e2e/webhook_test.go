package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/e2e/harness"
)

// The webhook's Service has an address that is on the loopback device, so that the API server reaches the gate itself.
const (
	hookIP   = "10.96.77.77"
	hookPort = 18443
	hookName = "yett-controller-admission"
)

// hookConfiguration is what the chart registers.
func hookConfiguration() *admissionregistrationv1.ValidatingWebhookConfiguration {
	path, port, fail, none, seconds := "/networking/v1/ingresses", int32(hookPort), admissionregistrationv1.Fail, admissionregistrationv1.SideEffectClassNone, int32(10)
	return &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "yett-admission"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "validate.nginx.ingress.kubernetes.io", AdmissionReviewVersions: []string{"v1"}, FailurePolicy: &fail, SideEffects: &none, TimeoutSeconds: &seconds,
			ClientConfig: admissionregistrationv1.WebhookClientConfig{Service: &admissionregistrationv1.ServiceReference{
				Namespace: "default", Name: hookName, Path: &path, Port: &port,
			}},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
				Rule:       admissionregistrationv1.Rule{APIGroups: []string{"networking.k8s.io"}, APIVersions: []string{"v1"}, Resources: []string{"ingresses"}},
			}},
		}},
	}
}

// withWebhook registers the webhook and runs a gate that answers; more are further flags.
func withWebhook(t *testing.T, c *cluster, more ...string) *harness.Gate {
	t.Helper()
	if out, err := exec.Command("ip", "addr", "replace", hookIP+"/32", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	service := harness.Service("default", hookName)
	service.Spec.ClusterIP, service.Spec.Ports[0].Port = hookIP, hookPort
	c.Make(t, harness.Class("nginx", "k8s.io/ingress-nginx"), harness.Class("other", "example.test/other"), service, hookConfiguration(), harness.Service("default", "web"))
	return c.controller(t, hookFlags(hookIP, more...)...)
}

// hookFlags are the flags of a gate that answers at an address.
func hookFlags(ip string, more ...string) []string {
	return append([]string{"--validating-webhook", net.JoinHostPort(ip, strconv.Itoa(hookPort)), "--validating-webhook-secret", "yett-admission",
		"--validating-webhook-service", hookName, "--validating-webhook-configuration", "yett-admission", "--update-status=false"}, more...)
}

// dryRun creates an Ingress without storing it.
func (c *cluster) dryRun(name string, annotations map[string]string) error {
	o := harness.Ingress("default", name, "nginx", name+".test", "web")
	o.Annotations = annotations
	return c.Create(context.Background(), o, client.DryRunAll)
}

// badTimeout is refused.
var badTimeout = map[string]string{"nginx.ingress.kubernetes.io/proxy-read-timeout": "soon"}

// turnedDown reports whether the webhook turned an object down, saying something; other errors are failures of the webhook.
func turnedDown(err error, says string) bool {
	return apierrors.IsBadRequest(err) && strings.Contains(err.Error(), "denied the request") && strings.Contains(err.Error(), says)
}

// answers waits until the webhook is trusted and answers.
func (c *cluster) answers(t *testing.T) {
	t.Helper()
	harness.Until(t, 30*time.Second, "the webhook answers", func() bool { return c.dryRun("probe", nil) == nil })
}

// TestTheAPIServerAsksBeforeItStores applies good and bad Ingresses through a real API server, and changes the certificate while it asks.
func TestTheAPIServerAsksBeforeItStores(t *testing.T) {
	c := apiServer(t)
	g := withWebhook(t, c)
	c.answers(t)
	ctx := context.Background()
	t.Run("objects", func(t *testing.T) { c.judgeObjects(t) })
	t.Run("two replicas show one certificate", func(t *testing.T) {
		c.controller(t, hookFlags(harness.NodeIP)...)
		var shown [2][]byte
		for i, ip := range []string{hookIP, harness.NodeIP} {
			harness.Until(t, 20*time.Second, ip+" answers", func() bool {
				conn, err := tls.Dial("tcp", net.JoinHostPort(ip, strconv.Itoa(hookPort)), &tls.Config{ServerName: hookName + ".default.svc", RootCAs: c.roots(t)})
				if err != nil {
					return false
				}
				shown[i] = conn.ConnectionState().PeerCertificates[0].Raw
				return conn.Close() == nil
			})
		}
		if !bytes.Equal(shown[0], shown[1]) {
			t.Error("two certificates")
		}
		t.Run("no review is lost when the certificate changes", func(t *testing.T) { c.renewUnderLoad(t) })
	})
	t.Run("a caBundle that is taken away comes back", func(t *testing.T) {
		conf := hookConfiguration()
		harness.Change(t, c.Client, conf, func(o *admissionregistrationv1.ValidatingWebhookConfiguration) {
			o.Webhooks[0].ClientConfig.CABundle = nil
		})
		took := harness.Until(t, 10*time.Second, "the caBundle is back", func() bool {
			return c.Get(ctx, client.ObjectKeyFromObject(conf), conf) == nil && len(conf.Webhooks[0].ClientConfig.CABundle) > 0
		})
		t.Logf("back after %s", took)
		c.answers(t)
	})
	if strings.Contains(g.Log(), "internal error") {
		t.Error(g.Log())
	}
}

// judgeObjects creates and changes Ingresses.
func (c *cluster) judgeObjects(t *testing.T) {
	ctx := context.Background()
	good := harness.Ingress("default", "good", "nginx", "good.test", "web")
	c.Make(t, good)
	for what, tt := range map[string]struct {
		edit func(*networkingv1.Ingress)
		says string
	}{
		"a bad number": {func(o *networkingv1.Ingress) { o.Annotations = badTimeout }, "annotation proxy-read-timeout"},
		"a snippet": {func(o *networkingv1.Ingress) {
			o.Annotations = map[string]string{"nginx.ingress.kubernetes.io/server-snippet": "return 200;"}
		}, "server-snippet"},
		"a place that is taken":    {func(o *networkingv1.Ingress) { o.Spec.Rules[0].Host = "good.test" }, "Ingress default/good "},
		"a pattern in Prefix":      {func(o *networkingv1.Ingress) { o.Spec.Rules[0].HTTP.Paths[0].Path = "/a(.*)" }, "write pathType ImplementationSpecific"},
		"a bad one of other class": {func(o *networkingv1.Ingress) { o.Annotations, *o.Spec.IngressClassName = badTimeout, "other" }, ""},
		"a missing Service":        {func(o *networkingv1.Ingress) { o.Spec.Rules[0].HTTP.Paths[0].Backend.Service.Name = "later" }, ""},
	} {
		o := harness.Ingress("default", "new", "nginx", "new.test", "web")
		tt.edit(o)
		if err := c.Create(ctx, o, client.DryRunAll); tt.says == "" && err != nil || tt.says != "" && !turnedDown(err, tt.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	good.Annotations = badTimeout
	if err := c.Update(ctx, good); !turnedDown(err, "default/good would not work as written") {
		t.Errorf("a change to a bad one: %v", err)
	}
	good = harness.Ingress("default", "good", "nginx", "good.test", "web")
	if err := c.Delete(ctx, good); err != nil {
		t.Error(err)
	}
}

// roots are the authorities that the API server was told to trust.
func (c *cluster) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	conf := hookConfiguration()
	if err := c.Get(context.Background(), client.ObjectKeyFromObject(conf), conf); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(conf.Webhooks[0].ClientConfig.CABundle)
	return pool
}

// renewUnderLoad has a leaf renewed and an authority succeeded while Ingresses are judged.
func (c *cluster) renewUnderLoad(t *testing.T) {
	ctx := context.Background()
	var asked, lost atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				asked.Add(1)
				if err := c.dryRun(fmt.Sprintf("load-%d", i), badTimeout); !turnedDown(err, "proxy-read-timeout") {
					lost.Add(1)
					t.Errorf("lost: %v", err)
				}
			}
		})
	}
	secret := &corev1.Secret{ObjectMeta: harness.Meta("default", "yett-admission")}
	var due []byte
	harness.Change(t, c.Client, secret, func(o *corev1.Secret) {
		o.Data["tls.crt"], o.Data["tls.key"] = dueLeaf(t, o.Data["ca.crt"], o.Data["ca.key"])
		due = o.Data["tls.crt"]
	})
	harness.Until(t, 20*time.Second, "a leaf that is due is renewed", func() bool {
		return c.Get(ctx, client.ObjectKeyFromObject(secret), secret) == nil && !bytes.Equal(secret.Data["tls.crt"], due)
	})
	c.Remove(t, secret)
	harness.Until(t, 20*time.Second, "a Secret that was deleted is there again, with two authorities", func() bool {
		return c.Get(ctx, client.ObjectKeyFromObject(secret), secret) == nil && bytes.Count(secret.Data["ca.crt"], []byte("BEGIN")) == 2
	})
	harness.Until(t, 20*time.Second, "both are trusted", func() bool {
		conf := hookConfiguration()
		return c.Get(ctx, client.ObjectKeyFromObject(conf), conf) == nil && bytes.Equal(conf.Webhooks[0].ClientConfig.CABundle, secret.Data["ca.crt"])
	})
	before := asked.Load()
	harness.Until(t, 20*time.Second, "more were asked", func() bool { return asked.Load() > before+50 })
	close(stop)
	wg.Wait()
	t.Logf("%d reviews, %d lost", asked.Load(), lost.Load())
}

// dueLeaf signs a certificate of 80 days ago.
func dueLeaf(t *testing.T, authority, authorityKey []byte) (certificate, key []byte) {
	t.Helper()
	block, _ := pem.Decode(authority)
	parent, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	block, _ = pem.Decode(authorityKey)
	signer, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: time.Now().Add(-80 * 24 * time.Hour), NotAfter: time.Now().Add(10 * 24 * time.Hour),
		DNSNames: []string{hookName + ".default.svc", hookName + ".default", hookName},
	}, parent, own.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	ownDER, err := x509.MarshalECPrivateKey(own)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: ownDER})
}
