// Package admission answers the API server's question whether an Ingress would work, before it is stored: the validating
// webhook of ingress-nginx, on the same path. The answer comes from the same Translate and Compile that run later, over the
// Ingress and those that it is tied to (translate.Tied); nothing is published, and nothing is remembered.
//
// Only what the Ingress itself gets wrong is refused, and the places that others have. What another object lacks (a Service, a
// Secret) may still come, and what somebody else got wrong is no reason either: both are warnings. That the webhook has
// let an Ingress pass is never relied on at run time.
//
// Whoever reaches the port can ask, so what an answer costs is bounded: bytes, parts, questions at a time, and time. When
// there is too much to do the answer is an HTTP error, and the failurePolicy of the cluster decides.
//
// The commands import it. A Validator and a Handler may be used by any number of goroutines; a Server runs once.
package admission
