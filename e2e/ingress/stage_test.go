package ingress

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/e2e/harness"
)

// Short names for the path types.
const (
	prefix   = networkingv1.PathTypePrefix
	exact    = networkingv1.PathTypeExact
	specific = networkingv1.PathTypeImplementationSpecific
)

// patience is how long a change may take to be seen.
const patience = 5 * time.Second

// stage is one test's part of the cluster: a namespace, a class, and a gate for that class.
type stage struct {
	*harness.Cluster
	t                            *testing.T
	namespace, class, controller string
	http, https                  string // where the gate is asked
	address                      string // of the backends
	barriers                     int
}

// newStage makes the namespace and the class, and starts a gate with flags of the test.
func newStage(t *testing.T, flags ...string) *stage {
	t.Helper()
	s := &stage{t: t}
	s.Cluster, s.address = cluster(t)
	name, _, _ := strings.Cut(t.Name(), "/")
	s.namespace = strings.ToLower(fmt.Sprintf("%.40s-%d", name, time.Now().UnixMilli()%1e6))
	namespace := &corev1.Namespace{ObjectMeta: harness.Meta("", s.namespace)}
	s.Make(t, namespace)
	t.Cleanup(func() { _ = s.Delete(context.Background(), namespace) })
	if installed := os.Getenv(gateEnv); installed != "" {
		if len(flags) > 0 {
			t.Skip("needs a gate with flags of its own")
		}
		s.class, s.controller = "nginx", "k8s.io/ingress-nginx"
		s.http, s.https, _ = strings.Cut(installed, ",")
		// The gate outlives the test: what the test made has to be gone from it before the next one begins.
		t.Cleanup(func() {
			_ = s.DeleteAllOf(context.Background(), &networkingv1.Ingress{}, client.InNamespace(s.namespace))
		})
		return s
	}
	s.class, s.controller = s.namespace, "ingress.test/"+s.namespace
	s.makeClass(s.class)
	g := s.gate(flags...)
	s.http, s.https = g.HTTP, g.HTTPS
	return s
}

// makeClass makes a class of the stage's controller. Classes are not part of a namespace; it goes with the test.
func (s *stage) makeClass(name string, edit ...func(*networkingv1.IngressClass)) {
	s.t.Helper()
	o := harness.Class(name, s.controller)
	for _, f := range edit {
		f(o)
	}
	s.Make(s.t, o)
	s.t.Cleanup(func() { _ = s.Delete(context.Background(), o) })
}

// gate starts a gate for the stage's controller.
func (s *stage) gate(flags ...string) *harness.Gate {
	s.t.Helper()
	return harness.Start(s.t, suite.binary, []string{"POD_NAMESPACE=" + s.namespace, "POD_NAME=gate"}, s.Controller(s.address,
		append([]string{"--controller-class", s.controller, "--ingress-class", s.class, "--election-ttl", "2s"}, flags...)...)...)
}

// deploy makes Services with one endpoint each, which answers with the Service's name.
func (s *stage) deploy(services ...string) {
	s.t.Helper()
	for _, name := range services {
		s.Make(s.t, harness.Service(s.namespace, name))
		s.endpoint(name, name)
	}
}

// endpoint adds a ready endpoint to a Service. It answers with its name.
func (s *stage) endpoint(service, name string) *harness.Backend {
	s.t.Helper()
	b := harness.StartBackend(s.t, s.address, name)
	s.Make(s.t, harness.Slice(s.namespace, name, service, b.Port, true, b.IP))
	return b
}

// object is an Ingress of the stage's class, not created yet.
func (s *stage) object(name string, rules ...networkingv1.IngressRule) *networkingv1.Ingress {
	return &networkingv1.Ingress{ObjectMeta: harness.Meta(s.namespace, name), Spec: networkingv1.IngressSpec{IngressClassName: &s.class, Rules: rules}}
}

// ingress creates an Ingress and waits until the gate has it.
func (s *stage) ingress(name string, rules ...networkingv1.IngressRule) *networkingv1.Ingress {
	s.t.Helper()
	o := s.object(name, rules...)
	s.Make(s.t, o)
	s.settle()
	return o
}

// settle waits until the gate has every Ingress that was written so far: one more is seen by clients. Without it a test
// of what does not match would be right before there is anything that could.
func (s *stage) settle() {
	s.t.Helper()
	s.barriers++
	name := fmt.Sprintf("barrier-%d", s.barriers)
	o := s.object(name, harness.Rule(name+"."+s.namespace+".test", harness.Path(prefix, "/", "none")))
	s.Make(s.t, o)
	harness.Until(s.t, 10*time.Second, "the gate has the Ingresses", func() bool {
		answer, _ := s.ask(false, o.Spec.Rules[0].Host, "/")
		return answer == "503" // a rule without a Service, which no host is without a rule
	})
}

// reply is what a client sees of an answer.
type reply struct {
	header http.Header
	// certificate are the names in the certificate, if TLS was spoken.
	certificate []string
}

// ask sends a GET and returns the name of the endpoint that answered, or the status if it is not 200.
func (s *stage) ask(secure bool, host, target string) (string, *reply) {
	s.t.Helper()
	dial, address, scheme := new(net.Dialer), s.http, "http"
	if secure {
		address, scheme = s.https, "https"
	}
	transport := &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ServerName: host}, //nolint:gosec // the test looks at it itself
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dial.DialContext(ctx, network, address)
		},
	}
	request := &http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: scheme, Host: host, Opaque: target}, Host: host, Header: http.Header{}}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err.Error(), &reply{}
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error(), &reply{}
	}
	r := &reply{header: response.Header}
	if response.TLS != nil {
		r.certificate = response.TLS.PeerCertificates[0].DNSNames
	}
	if response.StatusCode != http.StatusOK {
		return strconv.Itoa(response.StatusCode), r
	}
	return string(body), r
}

// want waits until a GET is answered by an endpoint, or with a status such as "404".
func (s *stage) want(host, target, want string) *reply {
	s.t.Helper()
	return s.wants(false, host, target, want)
}

// wants is want with a choice of http and https.
func (s *stage) wants(secure bool, host, target, want string) *reply {
	s.t.Helper()
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		got, r := s.ask(secure, host, target)
		switch {
		case got == want:
			return r
		case time.Since(begin) > patience:
			s.t.Errorf("GET %s%s (TLS: %v): still %q after %s, want %q", host, target, secure, got, patience, want)
			return r
		}
	}
}

// towards returns the address that this machine has towards an API server: pods of its cluster can be expected to reach it.
func towards(t *testing.T, kubeconfig string) string {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	c, err := net.Dial("tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.TCPAddr).IP.String()
}
