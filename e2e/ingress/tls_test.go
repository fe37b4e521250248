package ingress

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/yettproxy/yett/e2e/harness"
)

// secure makes a Secret with a certificate for some names.
func (s *stage) secure(secret string, names ...string) {
	s.t.Helper()
	s.Make(s.t, &corev1.Secret{ObjectMeta: harness.Meta(s.namespace, secret), Type: corev1.SecretTypeTLS, Data: harness.KeyPair(s.t, names...)})
}

// shows waits until a host is answered with a certificate for some names.
func (s *stage) shows(host string, names ...string) {
	s.t.Helper()
	var last []string
	defer func() {
		if s.t.Failed() {
			s.t.Logf("%s: the certificate is for %v", host, last)
		}
	}()
	harness.Until(s.t, patience, host+" shows a certificate for "+strings.Join(names, ", "), func() bool {
		_, r := s.ask(true, host, "/")
		last = r.certificate
		return slices.Equal(last, names)
	})
}

// TestTLS is the section of that name: the Secret of the tls part secures the hosts it lists, which must be those of rules.
// Hosts are told apart by SNI at one port. The example's host is sslexample.foo.com.
func TestTLS(t *testing.T) {
	s := newStage(t)
	s.deploy("service1", "service2")
	s.secure("testsecret-tls", "https-example.foo.com")
	s.secure("second-tls", "second.foo.com")
	o := s.object("tls-example-ingress", harness.Rule("https-example.foo.com", harness.Path(prefix, "/", "service1")),
		harness.Rule("second.foo.com", harness.Path(prefix, "/", "service2")))
	o.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"https-example.foo.com"}, SecretName: "testsecret-tls"}, {Hosts: []string{"second.foo.com"}, SecretName: "second-tls"}}
	s.Make(t, o)
	s.ingress("plain", harness.Rule("plain.foo.com", harness.Path(prefix, "/", "service2")))
	s.wants(true, "https-example.foo.com", "/", "service1")
	s.shows("https-example.foo.com", "https-example.foo.com")
	s.shows("second.foo.com", "second.foo.com")
	r := s.wants(true, "second.foo.com", "/", "service2")
	if got := r.header.Get("X-Seen-Proto"); got != "https" {
		t.Errorf("the Service saw the scheme %q; TLS ends at the gate", got)
	}
	s.want("plain.foo.com", "/", "service2") // the traffic to the Service is in clear text, and so may that of clients be
	t.Run("a host without a tls part gets none of their certificates", func(t *testing.T) {
		if _, r := s.ask(true, "plain.foo.com", "/"); slices.Contains(r.certificate, "second.foo.com") || slices.Contains(r.certificate, "https-example.foo.com") {
			t.Errorf("plain.foo.com shows a certificate for %v", r.certificate)
		}
	})
}

// TestTLSWildcard is the section "TLS" with a wildcard: hosts of a tls part match those of rules explicitly; a
// certificate for *.foo.com serves the rule *.foo.com, and one of an own name goes before it.
func TestTLSWildcard(t *testing.T) {
	s := newStage(t)
	s.deploy("wild", "own")
	s.secure("wild-tls", "*.foo.com")
	s.secure("own-tls", "own.foo.com")
	o := s.object("wild", harness.Rule("*.foo.com", harness.Path(prefix, "/", "wild")), harness.Rule("own.foo.com", harness.Path(prefix, "/", "own")))
	o.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"*.foo.com"}, SecretName: "wild-tls"}, {Hosts: []string{"own.foo.com"}, SecretName: "own-tls"}}
	s.Make(t, o)
	s.settle()
	s.wants(true, "any.foo.com", "/", "wild")
	s.wants(true, "own.foo.com", "/", "own")
	s.shows("any.foo.com", "*.foo.com")
	s.shows("own.foo.com", "own.foo.com")
	if _, r := s.ask(true, "two.labels.foo.com", "/"); slices.Contains(r.certificate, "*.foo.com") {
		t.Error("two labels show the certificate of one")
	}
}

// TestTLSSecretsComeLater is the section "TLS": the Secret must exist; until it does, and when it changes, the host goes on.
func TestTLSSecretsComeLater(t *testing.T) {
	s := newStage(t)
	s.deploy("a")
	o := s.object("late", harness.Rule("late.foo.com", harness.Path(prefix, "/", "a")))
	o.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"late.foo.com"}, SecretName: "late-tls"}}
	s.Make(t, o)
	s.settle()
	s.wants(true, "late.foo.com", "/", "a")
	s.secure("late-tls", "late.foo.com")
	s.shows("late.foo.com", "late.foo.com")
	secret := &corev1.Secret{ObjectMeta: harness.Meta(s.namespace, "late-tls")}
	harness.Change(t, s, secret, func(o *corev1.Secret) { o.Data = harness.KeyPair(t, "late.foo.com", "renewed.foo.com") })
	s.shows("late.foo.com", "late.foo.com", "renewed.foo.com")
	s.wants(true, "late.foo.com", "/", "a")
}
