package ir

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/upstream"
)

// note is a filter that only says something.
type note string

func (note) Phase() filter.Phase                    { return filter.Header }
func (n note) String() string                       { return string(n) }
func (note) New(*filter.Env) (filter.Filter, error) { return nil, nil }

// example is a Config in which everything is set.
func example() *Config {
	web, next := upstream.Key{Namespace: "a", Service: "web", Port: "80"}, upstream.Key{Namespace: "a", Service: "next", Port: "http"}
	policy := DefaultPolicy()
	policy.Read, policy.Host, policy.Protocol = 30*time.Second, "$host inside", HTTPS
	policy.TLS = UpstreamTLS{Verify: true, CA: "-----BEGIN CERTIFICATE-----", Certificate: "-----BEGIN CERTIFICATE-----", Key: "topsecret"}
	settings := DefaultSettings()
	settings.Limits.FieldCount = 7
	settings.Block.UserAgents = []string{"~evil"}
	settings.Headers.Request = []NameValue{{"X-A", "b c"}}
	return &Config{
		Settings:     settings,
		Certificates: []Certificate{{Ref: CertificateRef{"a", "cert"}, Cert: "-----BEGIN CERTIFICATE-----", Key: "topsecret"}},
		Upstreams:    []Upstream{{Key: next}, {Key: web, ServiceUpstream: true, Balance: Balance{Algorithm: upstream.EWMA, Affinity: Affinity{Name: "S", Secure: true}}}},
		Hosts: []VirtualHost{
			{Routes: []Route{{Path: "/", Policy: DefaultPolicy(), Backend: Backend{Missing: 404}, AccessLog: true}}},
			{Name: "old.test", RedirectHost: "a.test", RedirectCode: 308},
			{
				Name: "a.test", Aliases: []string{"*.b.test", "~c"}, Certificate: CertificateRef{"a", "cert"}, TLS: true, AppRoot: "/app", Deny: 403, Regex: true,
				Routes: []Route{
					{Path: "/x", Type: Exact, Literal: true, Policy: policy, Backend: Backend{Upstream: web, Default: next, Canary: &Canary{
						Upstream: next, Weight: 5, Total: 100, Header: "X", HeaderValue: "v", HeaderPattern: "p", Cookie: "k",
					}}, Origin: filter.Origin{Namespace: "a", Ingress: "web", Service: "web", ServicePort: "80"}, Filters: []filter.Spec{note("note(1)"), nil}, SatisfyAny: true},
					{Path: "/", Policy: DefaultPolicy(), Deny: 503, DenyReason: "why", AccessLog: true, Backend: Backend{Upstream: web}},
				},
			},
		},
	}
}

func TestText(t *testing.T) {
	want := `settings Limits.FieldCount=7
settings Headers.Request=[{X-A b c}]
settings Block.UserAgents=[~evil]
certificate a/cert
upstream a-next-http
upstream a-web-80
  balance Algorithm=ewma Affinity.Name=S Affinity.Secure=true
  service-upstream
host *
  Prefix / -> 404
host old.test
  redirect 308 to a.test
host a.test
  aliases *.b.test ~c
  tls a/cert
  app-root /app
  deny 403
  regex
  Prefix / -> a-web-80
    deny 503: why
  Exact /x (literal) -> a-web-80
    from a/web service web:80
    canary a-next-http header=X value=v pattern=p cookie=k weight=5/100
    without endpoints -> a-next-http
    header note(1)
    nothing
    satisfy any
    policy Protocol=HTTPS TLS=tls(verify=true depth=0 ca certificate) Read=30s Host="$host inside"
    no access log
`
	if diff := cmp.Diff(want, example().Text()); diff != "" {
		t.Error(diff)
	}
}

func TestTextShowsNoKeys(t *testing.T) {
	if text := example().Text(); strings.Contains(text, "topsecret") || strings.Contains(text, "BEGIN") {
		t.Error(text)
	}
}

func TestTextDoesNotDependOnTheOrderOfRoutes(t *testing.T) {
	a, b := example(), example()
	r := b.Hosts[2].Routes
	r[0], r[1] = r[1], r[0]
	if diff := cmp.Diff(a.Text(), b.Text()); diff != "" {
		t.Error(diff)
	}
}
