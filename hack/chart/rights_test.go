package chart

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// TestPodsAreRestricted holds the level "restricted" of Pod Security, which allows one capability to be added.
func TestPodsAreRestricted(t *testing.T) {
	for name, values := range sets(t) {
		r := render(t, "yett", values)
		specs := map[string]*corev1.PodSpec{}
		for _, o := range r.objects {
			switch o := o.(type) {
			case *appsv1.Deployment:
				specs[o.Name] = &o.Spec.Template.Spec
			case *appsv1.DaemonSet:
				specs[o.Name] = &o.Spec.Template.Spec
			case *corev1.Pod:
				specs[o.Name] = &o.Spec
			}
		}
		if len(specs) == 0 {
			t.Errorf("%s: no pods", name)
		}
		for pod, spec := range specs {
			s := spec.Containers[0].SecurityContext
			switch {
			case s == nil, s.RunAsNonRoot == nil || !*s.RunAsNonRoot, s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation,
				s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem, s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault,
				s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}):
				t.Errorf("%s: pod %s has security context %+v", name, pod, s)
			case len(s.Capabilities.Add) > 0 && !slices.Equal(s.Capabilities.Add, []corev1.Capability{"NET_BIND_SERVICE"}):
				t.Errorf("%s: pod %s adds %v", name, pod, s.Capabilities.Add)
			}
		}
	}
}

// grants returns "group/resource verb" for each right of some rules.
func grants(rules []rbacv1.PolicyRule) (list []string) {
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					list = append(list, strings.TrimSpace(group+"/"+resource+" "+verb+" "+strings.Join(rule.ResourceNames, ",")))
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// reading spells get, list and watch out.
func reading(resources ...string) (list []string) {
	for _, r := range resources {
		list = append(list, r+" get", r+" list", r+" watch")
	}
	return list
}

func TestRightsAreExactlyWhatTheCodeUses(t *testing.T) {
	serve := append(reading("/configmaps", "/secrets", "/services", "discovery.k8s.io/endpointslices", "networking.k8s.io/ingresses"),
		"networking.k8s.io/ingresses/status patch", "networking.k8s.io/ingresses/status update",
		"/events create", "/events patch", "events.k8s.io/events create", "events.k8s.io/events patch")
	own := []string{"/pods get", "/pods list", "coordination.k8s.io/leases create",
		"coordination.k8s.io/leases get yett-leader", "coordination.k8s.io/leases update yett-leader",
		"/secrets create", "/secrets get yett-admission", "/secrets list yett-admission", "/secrets watch yett-admission", "/secrets update yett-admission"}
	trust := []string{"get", "list", "watch", "patch"}
	for i, verb := range trust {
		trust[i] = "admissionregistration.k8s.io/validatingwebhookconfigurations " + verb + " yett-admission"
	}
	check := func(what string, rules []rbacv1.PolicyRule, want []string) {
		t.Helper()
		slices.Sort(want)
		if diff := cmp.Diff(want, grants(rules)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	all := render(t, "yett", "")
	check("ClusterRole", find[*rbacv1.ClusterRole](t, all, "yett").Rules,
		append(reading("/namespaces", "/nodes", "networking.k8s.io/ingressclasses"), serve...))
	check("ClusterRole of the webhook", find[*rbacv1.ClusterRole](t, all, "yett-admission").Rules, slices.Clone(trust))
	check("Role", find[*rbacv1.Role](t, all, "yett").Rules, slices.Clone(own))

	scoped := render(t, "yett", sets(t)["scoped"])
	if o, ok := lookup[*rbacv1.ClusterRole](scoped, "yett"); ok {
		t.Errorf("there is a ClusterRole: %v", o.Rules)
	}
	check("ClusterRole of the webhook", find[*rbacv1.ClusterRole](t, scoped, "yett-admission").Rules, slices.Clone(trust))
	check("Role in the served namespace", find[*rbacv1.Role](t, scoped, "yett-scope").Rules, slices.Clone(serve))
	check("Role in the own namespace", find[*rbacv1.Role](t, scoped, "yett").Rules, slices.Concat(own, reading("/configmaps"),
		[]string{"/services get", "/secrets get wildcard", "/secrets list wildcard", "/secrets watch wildcard"}))
	if got := find[*rbacv1.RoleBinding](t, scoped, "yett-scope"); got.Namespace != "shop" || got.Subjects[0].Namespace != "edge" {
		t.Errorf("binding in %s of an account in %s", got.Namespace, got.Subjects[0].Namespace)
	}
}
