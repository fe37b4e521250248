package ingress

import (
	"maps"
	"slices"
	"testing"

	"github.com/go-logr/zapr"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/controllers/translate"
	"github.com/yettproxy/yett/proxy"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/observe"
	"github.com/yettproxy/yett/proxy/upstream"
)

// TestCertificateProblemsReachTheIngresses checks whose Event a certificate becomes that the proxy could not use.
func TestCertificateProblemsReachTheIngresses(t *testing.T) {
	route := func(namespace, name string) ir.Route {
		return ir.Route{Origin: filter.Origin{Namespace: namespace, Ingress: name}}
	}
	secret := ir.CertificateRef{Namespace: "a", Name: "cert"}
	result := &translate.Result{
		Config: &ir.Config{Hosts: []ir.VirtualHost{
			{Name: "x.test", Certificate: secret, Routes: []ir.Route{route("a", "one"), route("a", "one"), route("b", "guest")}},
			{Name: "y.test", Certificate: secret, Routes: []ir.Route{route("a", "told"), route("a", "solver")}},
			{Name: "z.test", Routes: []ir.Route{route("a", "plain")}},
		}},
		Verdicts: []translate.Verdict{
			{Name: types.NamespacedName{Namespace: "a", Name: "one"}, State: translate.Active},
			{Name: types.NamespacedName{Namespace: "a", Name: "plain"}, State: translate.Active},
			{Name: types.NamespacedName{Namespace: "a", Name: "told"}, State: translate.Partial,
				Problems: []feature.Problem{{Key: "spec.tls[0].secretName", Value: "cert"}}},
			{Name: types.NamespacedName{Namespace: "b", Name: "guest"}, State: translate.Active},
			{Name: types.NamespacedName{Namespace: "a", Name: "solver"}, State: translate.Active},
		},
	}
	attach(result, []proxy.Problem{
		{Certificate: secret, Reason: "spoilt"},
		{Certificate: ir.CertificateRef{Namespace: "a", Name: "default"}, Reason: "nobody's"},
	})
	for i, want := range []int{1, 0, 1, 0, 0} {
		if v := result.Verdicts[i]; len(v.Problems) != want {
			t.Errorf("%s has %d problems, want %d: %v", v.Name, len(v.Problems), want, v.Problems)
		}
	}
	if one := result.Verdicts[0]; one.State != translate.Partial || one.Problems[0].Reason != "spoilt" || one.Problems[0].Value != "cert" {
		t.Errorf("a/one is %v with %v", one.State, one.Problems)
	}
	if len(result.Problems) != 1 || result.Problems[0].Key != "a/default" {
		t.Errorf("problems of nobody: %v, want that of a/default", result.Problems)
	}
}

// TestWhatDeniesIsLoggedAsAnErrorAndOnce: the rest is information, and nothing is repeated as long as it stands.
func TestWhatDeniesIsLoggedAsAnErrorAndOnce(t *testing.T) {
	core, logs := observer.New(zapcore.DebugLevel)
	p := Publisher{Log: zapr.NewLogger(zap.New(core))}
	result := &translate.Result{Verdicts: []translate.Verdict{{Name: types.NamespacedName{Namespace: "a", Name: "one"}, Problems: []feature.Problem{
		{Key: "limit-rps", Value: "x", Reason: "not a number"}, {Key: "auth-url", Reason: "not a URL", Denied: true},
	}}}}
	p.say(result)
	p.say(result)
	levels := map[any]zapcore.Level{}
	for _, entry := range logs.All() {
		levels[entry.ContextMap()["key"]] = entry.Level
	}
	want := map[any]zapcore.Level{"limit-rps": zapcore.InfoLevel, "auth-url": zapcore.ErrorLevel}
	if !maps.Equal(levels, want) || logs.Len() != len(want) {
		t.Errorf("%d lines, %v; want each of %v once", logs.Len(), levels, want)
	}
}

// TestOrphansSayWhyTheyLeadNowhere checks the metric orphan_ingress.
func TestOrphansSayWhyTheyLeadNowhere(t *testing.T) {
	verdict := func(name string, services ...string) translate.Verdict {
		v := translate.Verdict{Name: types.NamespacedName{Namespace: "n", Name: name}}
		for _, s := range services {
			v.Upstreams = append(v.Upstreams, upstream.Key{Namespace: "n", Service: s, Port: "80"})
		}
		return v
	}
	verdicts := []translate.Verdict{
		verdict("fine", "full"), verdict("gone", "nobody", "nobody2"), verdict("down", "full", "empty", "empty"), verdict("both", "empty", "nobody", "empty", "nobody"),
	}
	objects := &translate.Objects{Services: map[types.NamespacedName]*corev1.Service{{Namespace: "n", Name: "full"}: {}, {Namespace: "n", Name: "empty"}: {}}}
	got := orphans(verdicts, missingServices(verdicts, objects), func(k upstream.Key) bool { return k.Service == "full" })
	want := []observe.Orphan{
		{Namespace: "n", Ingress: "gone", Type: "no-service"}, {Namespace: "n", Ingress: "down", Type: "no-endpoint"},
		{Namespace: "n", Ingress: "both", Type: "no-endpoint"}, {Namespace: "n", Ingress: "both", Type: "no-service"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
