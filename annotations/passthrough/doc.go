// Package passthrough hands the TLS connections of a host to its Service unopened. What the annotation means for a host with
// several Ingresses is decided by controllers/translate.
//
// Package annotations imports it through the generated list; it imports annotations/feature. Everything here is immutable.
package passthrough
