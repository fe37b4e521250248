// Package rollout tests that nothing is lost when things move: backends replaced, Ingresses churned, replicas
// restarted, the API server away. Load is open-loop: requests leave at a fixed rate whatever the answers do, and an
// answer that comes late counts as failed. Every scenario prints one row, its figure beside its bar, and a table at the end; a
// miss is printed as a miss and fails its test.
//
// The scenarios that need no pods run against a real API server alone, inside a network namespace that the test
// makes for itself, in a short form; YETT_ROLLOUT=full gives them their full length, and brings up a whole cluster
// (hack/localcluster) for those that do need pods. `make e2e` does both.
//
// Nothing imports it. The tests run one after the other and share one built binary and one API server.
package rollout
