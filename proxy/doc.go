// Package proxy ties the data plane together: it compiles a desired state into a running one, swaps it
// in atomically, and takes each exchange from its match to its log line. A Rehearsal says what would be done with a request, and
// why, by the same code, and does nothing.
//
// The controllers and the commands import it; it imports everything below proxy/ and nothing of
// Kubernetes. A Proxy is safe for concurrent use. Apply calls are serialised; requests never wait for
// them. A request sees one snapshot from its first line to its last.
package proxy
