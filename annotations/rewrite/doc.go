// Package rewrite is the family rewrite-target, use-regex and x-forwarded-prefix: paths that upstreams
// see otherwise than clients.
//
// The list of families in package annotations imports it, nobody else. Its filters are immutable.
//
// A rewrite-target is nginx's `rewrite "(?i)<path>" <target> break`: the path of the Ingress rule, as a
// case-insensitive regular expression that may be found anywhere, is applied to the normalised path; the
// target with its captures filled in replaces the whole path, and is encoded again for the wire. The query
// stays. A "?" in the target begins arguments, which go before the client's; one at its very end drops the
// client's. A target that begins with http:// or https:// is a redirect instead.
package rewrite
