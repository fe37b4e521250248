// Package rollout tests that nothing is lost when things move: backends replaced, Ingresses churned, replicas
// restarted, the API server away. Load is open-loop: requests leave at a fixed rate whatever the answers do, and an
// answer that comes late counts as failed. Every scenario prints one row, its figure beside its bar, and a table at the end; a
// miss is printed as a miss and fails its test.
//
// Scenarios run in one of two places. With an API server alone, inside namespaces that the test makes for itself, in a short form:
// so they are part of `make test`. Or in a whole cluster, with real pods and with the gate installed by its chart: `make e2e` (the
// script run) brings one up (hack/localcluster), runs both at full length and prints one table. Most scenarios are written once for
// both.
//
// Nothing imports it. The tests run one after the other and share one built binary and one API server.
package rollout
