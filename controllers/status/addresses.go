package status

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Addresses finds the addresses under which the proxy is reached (nginx-compat section 4.4).
type Addresses struct {
	// Reader reads Services, Nodes and Pods.
	Reader client.Reader
	// Fixed are --publish-status-address: addresses or names. They go before everything else.
	Fixed []string
	// Service is --publish-service; the zero name for none.
	Service types.NamespacedName
	// Pod is our own pod; its labels find the other replicas, whose nodes' addresses are used if neither of
	// the above is given.
	Pod types.NamespacedName
	// Internal prefers internal node addresses (--report-node-internal-ip-address).
	Internal bool
}

// Find returns the addresses, sorted, each once.
func (a *Addresses) Find(ctx context.Context) ([]networkingv1.IngressLoadBalancerIngress, error) {
	var texts []string
	var err error
	switch {
	case len(a.Fixed) > 0:
		texts = a.Fixed
	case a.Service.Name != "":
		return a.ofService(ctx)
	case a.Pod.Name != "":
		texts, err = a.ofNodes(ctx)
	}
	if err != nil {
		return nil, err
	}
	return entries(texts), nil
}

// entries makes status entries out of addresses and names.
func entries(texts []string) []networkingv1.IngressLoadBalancerIngress {
	texts = slices.Clone(texts)
	slices.Sort(texts)
	var list []networkingv1.IngressLoadBalancerIngress
	for _, text := range slices.Compact(texts) {
		text = strings.TrimSpace(text)
		switch _, err := netip.ParseAddr(text); {
		case text == "":
		case err == nil:
			list = append(list, networkingv1.IngressLoadBalancerIngress{IP: text})
		default:
			list = append(list, networkingv1.IngressLoadBalancerIngress{Hostname: text})
		}
	}
	return list
}

// ofService reads the addresses off a Service by its type.
func (a *Addresses) ofService(ctx context.Context) ([]networkingv1.IngressLoadBalancerIngress, error) {
	var s corev1.Service
	if err := a.Reader.Get(ctx, a.Service, &s); err != nil {
		return nil, fmt.Errorf("get service %s: %w", a.Service, err)
	}
	switch s.Spec.Type {
	case corev1.ServiceTypeExternalName:
		return entries([]string{s.Spec.ExternalName}), nil
	case corev1.ServiceTypeNodePort:
		if len(s.Spec.ExternalIPs) > 0 {
			return entries(s.Spec.ExternalIPs), nil
		}
		return entries([]string{s.Spec.ClusterIP}), nil
	case corev1.ServiceTypeLoadBalancer:
		var list []networkingv1.IngressLoadBalancerIngress
		for _, i := range s.Status.LoadBalancer.Ingress {
			entry := networkingv1.IngressLoadBalancerIngress{IP: i.IP, Hostname: i.Hostname}
			for _, p := range i.Ports {
				entry.Ports = append(entry.Ports, networkingv1.IngressPortStatus{Port: p.Port, Protocol: p.Protocol, Error: p.Error})
			}
			list = append(list, entry)
		}
		return append(list, entries(s.Spec.ExternalIPs)...), nil
	}
	return entries([]string{s.Spec.ClusterIP}), nil
}

// ofNodes reads the addresses of the nodes that the ready replicas run on.
func (a *Addresses) ofNodes(ctx context.Context) ([]string, error) {
	var self corev1.Pod
	if err := a.Reader.Get(ctx, a.Pod, &self); err != nil {
		return nil, fmt.Errorf("get pod %s: %w", a.Pod, err)
	}
	chosen := labels.Set{}
	for k, v := range self.Labels {
		if k != "pod-template-hash" && k != "controller-revision-hash" && k != "pod-template-generation" {
			chosen[k] = v
		}
	}
	var pods corev1.PodList
	if err := a.Reader.List(ctx, &pods, client.InNamespace(a.Pod.Namespace), client.MatchingLabels(chosen)); err != nil {
		return nil, fmt.Errorf("list replicas: %w", err)
	}
	var texts []string
	for i := range pods.Items {
		pod := &pods.Items[i]
		if pod.Spec.NodeName == "" || !ready(pod) {
			continue
		}
		var node corev1.Node
		if err := a.Reader.Get(ctx, types.NamespacedName{Name: pod.Spec.NodeName}, &node); err != nil {
			return nil, fmt.Errorf("get node %s: %w", pod.Spec.NodeName, err)
		}
		if address := a.ofNode(&node); address != "" {
			texts = append(texts, address)
		}
	}
	return texts, nil
}

// ofNode chooses a node's address: external before internal, unless told otherwise.
func (a *Addresses) ofNode(node *corev1.Node) string {
	order := []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeInternalIP}
	if a.Internal {
		order = []corev1.NodeAddressType{corev1.NodeInternalIP}
	}
	for _, kind := range order {
		for _, address := range node.Status.Addresses {
			if address.Type == kind && address.Address != "" {
				return address.Address
			}
		}
	}
	return ""
}

// ready reports whether a pod takes traffic.
func ready(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// Others counts the ready replicas besides this one.
func (a *Addresses) Others(ctx context.Context) (int, error) {
	if a.Pod.Name == "" {
		return 0, nil
	}
	var self corev1.Pod
	if err := a.Reader.Get(ctx, a.Pod, &self); err != nil {
		return 0, fmt.Errorf("get pod %s: %w", a.Pod, err)
	}
	chosen := labels.Set{}
	for _, k := range []string{"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"} {
		if v, ok := self.Labels[k]; ok {
			chosen[k] = v
		}
	}
	var pods corev1.PodList
	if err := a.Reader.List(ctx, &pods, client.InNamespace(a.Pod.Namespace), client.MatchingLabels(chosen)); err != nil {
		return 0, fmt.Errorf("list replicas: %w", err)
	}
	n := 0
	for i := range pods.Items {
		if pods.Items[i].Name != a.Pod.Name && ready(&pods.Items[i]) && pods.Items[i].DeletionTimestamp == nil {
			n++
		}
	}
	return n, nil
}
