// Package ingress tests the standard behaviour of Ingress, as the Kubernetes documentation has it
// (kubernetes.io/docs/concepts/services-networking/ingress): one file a chapter, every test with the section it is from and
// what that says in our words. Nothing in it is particular to Yett or to ingress-nginx, except where the documentation
// leaves a choice to the controller; then the test says so.
//
// It runs against a real API server inside a network namespace of its own, with the binary beside it, and with
// EndpointSlices that name servers of the test. With E2E_KUBECONFIG it uses that cluster instead: the binary still runs
// beside the test, which must be reachable from it. With E2E_GATE=HOST:PORT,HOST:PORT (http, https), too, the gate that is
// installed there for class nginx is asked, and tests that need one with flags of their own skip.
//
// Nothing imports it. The tests run one after the other and share one built binary and one API server.
package ingress
