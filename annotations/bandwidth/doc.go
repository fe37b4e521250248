// Package bandwidth is limit-rate and limit-rate-after: how fast a response may leave. proxy/forward does it.
//
// Package annotations imports it through the generated list; it imports annotations/feature. Everything here is immutable.
package bandwidth
