// Package delivery drives the binary by the real controllers of progressive delivery, Argo Rollouts and Flagger: they write
// canary Ingresses and Services as they do for ingress-nginx, and clients must see what they mean by it, without a lost
// request.
//
// The controllers are built from their Go modules with YETT_E2E_CLIENTS=build, once, into the cache that
// hack/localcluster/build uses; without that, tests whose controller is not in the cache skip. They run beside the binary
// on a real API server, in a network namespace of the tests' own. What a cluster would add is stood in for: workload_test.go
// says of every ReplicaSet and Deployment that its pods are ready, and writes EndpointSlices by the selectors of Services.
//
// Nothing imports it. The tests run one after the other.
package delivery
