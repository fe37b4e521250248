// Package e2e tests the binary through its front door: manifests or a real API server on one side, clients
// on the other. Everything runs in a network namespace that the test makes for itself, so that Endpoints
// may have addresses an API server accepts and nothing can leave; where that is not possible the tests
// that need it skip and say so.
//
// Nothing imports it. The tests share one built binary.
package e2e
