// Package protocol is what is spoken to endpoints: backend-protocol and proxy-http-version.
//
// Package annotations imports it through the generated list; it imports annotations/feature and proxy/ir. Everything here is
// immutable.
package protocol
