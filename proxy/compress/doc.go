// Package compress sends responses of upstreams compressed to clients that take them so: gzip and brotli, chosen by nginx's rules
// (use-gzip, enable-brotli and their like).
//
// Package proxy imports it; it imports wire, filter, ir and pattern. A Coder is immutable but for its pools and may be used by any number of
// goroutines; the stream that Wrap returns belongs to its exchange.
package compress
