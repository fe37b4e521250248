// Package endpoints turns the EndpointSlices of a Service into the endpoints of its upstreams, past the
// rebuild of the route table: a rollout of pods swaps endpoint sets and nothing else. Names of ExternalName
// Services are resolved here too.
//
// Build is pure. A Feeder is safe for concurrent use: each Service is read and published under one lock,
// so that what was read last is what stands. The other controllers and the commands import it.
package endpoints
