// Package wire is HTTP as data: requests, responses, fields, targets, hosts, paths and their limits.
// It does no I/O and knows nothing of connections, routes or Kubernetes. Every other package of the
// data plane reads and writes the types of this one, so that the router, the filters, the access log
// and the forwarder cannot disagree about what a request says.
//
// Strings are views. Method, Target, field names and values point into the buffer of the connection
// that received them, or into the Arena of the exchange; they are valid until the exchange ends and
// must be cloned (strings.Clone) by whoever keeps them longer. That is what makes a request cost no
// allocation.
//
// Anybody may import it; it imports only the standard library. Nothing here but Dates is safe for
// concurrent use: one exchange, one goroutine at a time.
package wire
