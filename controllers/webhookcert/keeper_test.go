package webhookcert

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// The races of real replicas and what an API server makes of the certificates are tested in e2e.

// keeper returns one of some replicas.
func keeper(c *fake.Clientset) *Keeper {
	return &Keeper{
		Client: c, Secret: types.NamespacedName{Namespace: "edge", Name: "admission"},
		Service: types.NamespacedName{Namespace: "edge", Name: "hook"}, Configuration: "admission", Log: logr.Discard(),
	}
}

// configuration returns one with two webhooks, of which the second is ours.
func configuration() *admissionregistrationv1.ValidatingWebhookConfiguration {
	hook := func(name, service string) admissionregistrationv1.ValidatingWebhook {
		return admissionregistrationv1.ValidatingWebhook{Name: name, ClientConfig: admissionregistrationv1.WebhookClientConfig{
			Service: &admissionregistrationv1.ServiceReference{Namespace: "edge", Name: service},
		}}
	}
	return &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "admission"}, Webhooks: []admissionregistrationv1.ValidatingWebhook{hook("theirs", "other"), hook("ours", "hook")},
	}
}

// look looks once or fails the test.
func look(t *testing.T, k *Keeper, now time.Time) {
	t.Helper()
	if err := k.look(context.Background(), now); err != nil {
		t.Fatal(err)
	}
}

// stored returns what the cluster holds.
func stored(t *testing.T, c *fake.Clientset) (*corev1.Secret, []byte) {
	t.Helper()
	secret, err := c.CoreV1().Secrets("edge").Get(context.Background(), "admission", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	conf, err := c.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(context.Background(), "admission", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if conf.Webhooks[0].ClientConfig.CABundle != nil {
		t.Error("the webhook of others was changed")
	}
	return secret, conf.Webhooks[1].ClientConfig.CABundle
}

func TestAllReplicasShowTheSameCertificate(t *testing.T) {
	c := fake.NewClientset(configuration())
	one, two := keeper(c), keeper(c)
	if _, err := one.Certificate(nil); err == nil {
		t.Error("a certificate before there is one")
	}
	look(t, one, start)
	look(t, two, start.Add(time.Second))
	a, _ := one.Certificate(nil)
	b, _ := two.Certificate(nil)
	if !a.Leaf.Equal(b.Leaf) {
		t.Error("two certificates")
	}
	secret, bundle := stored(t, c)
	if !bytes.Equal(bundle, secret.Data[authoritiesKey]) || len(bundle) == 0 {
		t.Errorf("caBundle %q", bundle)
	}
	actions := len(c.Actions())
	look(t, one, start.Add(time.Hour))
	if n := len(c.Actions()) - actions; n != 2 {
		t.Errorf("%d requests where nothing is due, want two reads", n)
	}
}

func TestTheSecondReplicaTakesWhatTheFirstMade(t *testing.T) {
	c := fake.NewClientset(configuration())
	one, two := keeper(c), keeper(c)
	look(t, one, start)
	asked := false // two asked before one had made the Secret
	c.PrependReactor("get", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) {
		if asked {
			return false, nil, nil
		}
		asked = true
		return true, nil, apierrors.NewNotFound(corev1.Resource("secrets"), "admission")
	})
	look(t, two, start)
	a, _ := one.Certificate(nil)
	b, _ := two.Certificate(nil)
	if !a.Leaf.Equal(b.Leaf) {
		t.Error("two certificates")
	}
}

func TestADeletedSecretBringsANewAuthorityWithoutACut(t *testing.T) {
	c := fake.NewClientset(configuration())
	k := keeper(c)
	look(t, k, start)
	before, first := k.last, k.current.Load()
	if err := c.CoreV1().Secrets("edge").Delete(context.Background(), "admission", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	look(t, k, start.Add(time.Hour))
	if k.current.Load().Leaf != first.Leaf || len(k.last.authorities) != 2 {
		t.Errorf("shows another certificate at once, %d authorities", len(k.last.authorities))
	}
	look(t, k, start.Add(time.Hour+overlap))
	if err := convinces(k.last, before, start); err == nil {
		t.Error("the old authority still signs")
	}
	look(t, k, start.Add(time.Hour+2*overlap))
	if len(k.last.authorities) != 1 {
		t.Error("the old authority is still trusted")
	}
}

func TestWhatIngressNginxLeftStaysAndIsTrusted(t *testing.T) {
	old := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "edge", Name: "admission"}, Data: map[string][]byte{
		"ca": []byte("theirs\n"), "cert": []byte("c"), "key": []byte("k"),
	}}
	c := fake.NewClientset(configuration(), old)
	k := keeper(c)
	look(t, k, start)
	secret, bundle := stored(t, c)
	for _, key := range []string{"ca", "cert", "key"} {
		if !bytes.Equal(secret.Data[key], old.Data[key]) {
			t.Errorf("%s is %q", key, secret.Data[key])
		}
	}
	if !bytes.HasSuffix(bundle, []byte("theirs\n")) || !bytes.HasPrefix(bundle, secret.Data[authoritiesKey]) {
		t.Errorf("caBundle %s", bundle)
	}
}

func TestACaBundleThatSomebodyTakesAwayComesBack(t *testing.T) {
	c := fake.NewClientset(configuration())
	k := keeper(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- k.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	trusted := func() bool {
		conf, err := c.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(ctx, "admission", metav1.GetOptions{})
		return err == nil && conf.Webhooks[1].ClientConfig.CABundle != nil
	}
	wait := func(what string) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !trusted(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	wait("no caBundle")
	if _, err := c.AdmissionregistrationV1().ValidatingWebhookConfigurations().Update(ctx, configuration(), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	wait("the caBundle does not come back")
}

func TestWithoutTheRightToWriteWhatIsThereIsShown(t *testing.T) {
	c := fake.NewClientset(configuration())
	look(t, keeper(c), start)
	refuse := func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(corev1.Resource("secrets"), "admission", errors.New("no"))
	}
	c.PrependReactor("update", "secrets", refuse)
	k := keeper(c)
	if err := k.look(context.Background(), start.Add(70*24*time.Hour)); !apierrors.IsForbidden(err) {
		t.Errorf("%v", err)
	}
	if _, err := k.Certificate(nil); err != nil {
		t.Error(err)
	}
}

func TestFilesThatComeLateAreReadAndAgainWhenTheyChange(t *testing.T) {
	dir := t.TempDir()
	f := &Files{CertificateFile: filepath.Join(dir, "cert"), KeyFile: filepath.Join(dir, "key"), Log: logr.Discard()}
	write := func() *state {
		s, err := advance(nil, time.Now(), testNames)
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.data()
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string][]byte{f.KeyFile: data[leafKeyKey], f.CertificateFile: data[leafKey]} {
			if err := os.WriteFile(name, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return s
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	for range 2 {
		s := write()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			if c, err := f.Certificate(nil); err == nil && bytes.Equal(c.Certificate[0], s.leaf.Certificate[0]) {
				break
			}
			if time.Now().After(end) {
				t.Fatal("not read")
			}
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
