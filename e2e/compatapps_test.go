package e2e

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// oauth2Proxy answers as oauth2-proxy does to an auth request: who has the cookie is alice, and her session is renewed in two
// cookies, since it is too long for one.
func oauth2Proxy(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie("_oauth2_proxy"); err != nil || c.Value != "ok" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("X-Auth-Request-User", "alice")
	w.Header().Add("Set-Cookie", "_oauth2_proxy_0=p; Path=/")
	w.Header().Add("Set-Cookie", "_oauth2_proxy_1=q; Path=/")
	w.WriteHeader(http.StatusAccepted)
}

// applications starts the gate with the Ingresses of testdata/applications.yaml.
func (s *stage) applications() {
	s.t.Helper()
	s.serve("authz", http.HandlerFunc(oauth2Proxy))
	text, err := os.ReadFile("testdata/applications.yaml")
	if err != nil {
		s.t.Fatal(err)
	}
	s.add(strings.ReplaceAll(string(text), "@AUTH@", fmt.Sprintf("http://127.0.0.1:%d/oauth2/auth", s.ports["authz"])))
	s.start()
}

// TestCompatApplications has the Ingresses of well-known applications side by side in one gate.
func TestCompatApplications(t *testing.T) {
	s := newStage(t)
	s.echo("a", "grafana", "argocd-server", "gitlab-webservice", "harbor-core", "harbor-portal", "nextcloud", "keycloak", "solver", "old-solver", "oauth2-proxy", "api", "web", "admin", "jenkins", "minio")
	s.also("a", "dashboard")
	s.applications()
	_, port := hostPort(t, s.gate.HTTP)
	s.wantAll([]answerCase{
		// What is guarded goes to https first; the solver of cert-manager is open on the same host, and only at its path.
		{"app.test", "/x?y=z", "308 https://app.test/x?y=z"}, {"app.test", "/oauth2/start", "308 https://app.test/oauth2/start"},
		{"app.test", "/.well-known/acme-challenge/Abc-12_x.y", "solver /.well-known/acme-challenge/Abc-12_x.y"},
		{"app.test", "/.well-known/acme-challenge/other", "308 https://app.test/.well-known/acme-challenge/other"},
		// Also beside regular expressions and an Ingress that is closed because its users are missing.
		{"regex.test", "/.well-known/acme-challenge/tok", "old-solver /.well-known/acme-challenge/tok"}, {"regex.test", "/something/a", "503"},
		{"tools.test", "/grafana", "grafana /"}, {"tools.test", "/grafana/d/x?y=1", "grafana /d/x?y=1"}, {"tools.test", "/", "404"},
		{"jenkins.test", "/", "302 http://jenkins.test/jenkins"}, {"jenkins.test", "/jenkins/x", "jenkins /jenkins/x"},
		{"argocd.test", "/", "308 https://argocd.test"}, {"argo2.test", "/", "308 https://argo2.test"},
		{"gitlab.test", "/", "gitlab-webservice /"}, {"gitlab.test", "/admin/sidekiq/x", "admin /admin/sidekiq/x"},
		{"harbor.test", "/", "harbor-portal /"}, {"harbor.test", "/api/x", "harbor-core /api/x"}, {"harbor.test", "/v2", "301 http://harbor.test/v2/"}, {"harbor.test", "/v2/", "harbor-core /v2/"}, {"harbor.test", "/cc", "harbor-portal /cc"},
		{"cloud.test", "/", "nextcloud /"}, {"keycloak.test", "/", "keycloak /"},
		{"shop.test", "/", "web /"}, {"shop.test", "/api/x", "api /api/x"}, {"eu.shop.test", "/", "web /"}, {"shop.alias.test", "/api", "api /api"}, {"x.shops.test", "/", "web /"},
		{"www.shop.test", "/x?y", "308 http://shop.test:" + port + "/x?y"}, {"www.eu.shop.test", "/x", "308 http://eu.shop.test:" + port + "/x"},
		{"minio.test", "/bucket/key", "minio /bucket/key"},
		{"dashboard.test", "/", "502"}, // https, as its annotation says, to an endpoint that does not speak it
	})
	if r := s.get("keycloak.test", "/"); !strings.Contains(r.cookie("KC_ROUTE"), "Max-Age=172800") {
		t.Errorf("no cookie of two days for Keycloak: %q", r.Header.Values("Set-Cookie"))
	}
	if r := s.get("shop.test", "/"); r.Seen == nil || r.Seen.Host != "internal.test" {
		t.Errorf("the shop sees %+v, want the host of upstream-vhost", r.Seen)
	}
}

// TestCompatApplicationsSignIn goes through oauth2-proxy's pair of Ingresses: one guarded, one that signs in.
func TestCompatApplicationsSignIn(t *testing.T) {
	s := newStage(t)
	s.echo("a", "oauth2-proxy")
	s.applications()
	if got := s.tls("app.test", "/x?y=z").String(); got != "302 https://app.test/oauth2/start?rd=%2Fx%3Fy%3Dz" {
		t.Errorf("without a session: %s", got)
	}
	if got := s.tls("app.test", "/oauth2/start?rd=%2Fx").String(); got != "oauth2-proxy /oauth2/start?rd=%2Fx" {
		t.Errorf("signing in: %s", got)
	}
	r := s.tls("app.test", "/x", "Cookie: _oauth2_proxy=ok")
	if r.String() != "a /x" || r.Seen.Header.Get("X-Auth-Request-User") != "alice" {
		t.Errorf("with a session: %s %+v", r, r.Seen)
	}
	if got := r.Header.Values("Set-Cookie"); !slices.Equal(got, []string{"_oauth2_proxy_0=p; Path=/", "_oauth2_proxy_1=q; Path=/"}) {
		t.Errorf("the renewed session reaches the client as %q", got)
	}
}

// TestCompatApplicationsAreReported says what an administrator reads about the same Ingresses: what is lost by name, to those whose
// it is, and no more.
func TestCompatApplicationsAreReported(t *testing.T) {
	s := newStage(t)
	s.applications()
	for _, words := range [][]string{
		{"default/app", "app-tls", "there is no Secret"}, {"default/oauth2-proxy", "app-tls", "there is no Secret"},
		{"default/app", "configuration-snippet", "more_set_headers write custom-headers"},
		{"default/nextcloud", "server-snippet", "guards access with deny"}, {"default/nextcloud", "proxy-buffer-size", "225m"},
		{"default/dashboard", "secure-backends", "backend-protocol"}, {"default/minio", "websocket-services", "never needed"},
		{"default/regex", "auth-secret", "create it"}, {"default/argocd", "ssl-passthrough"},
	} {
		s.logged(words...)
	}
	for line := range strings.SplitSeq(s.gate.Log(), "\n") {
		for _, word := range []string{"PEM data", "ingress.provider", "nginx.org", `"name":"default/harbor","key":"ingress.`} {
			if strings.Contains(line, word) {
				t.Errorf("a report that nobody needs: %s", line)
			}
		}
		if strings.Contains(line, "cm-acme-http-solver") && strings.Contains(line, "spec.tls") {
			t.Errorf("the solver is told of a certificate that it does not name: %s", line)
		}
	}
}
