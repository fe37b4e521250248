// Package retry is when another endpoint is tried: proxy-next-upstream, its limits, and the ConfigMap's
// retry-non-idempotent.
//
// Package annotations imports it through the generated list; it imports annotations/feature and proxy/ir. Everything here is
// immutable.
package retry
