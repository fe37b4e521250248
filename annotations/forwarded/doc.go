// Package forwarded is whom to believe about the client, and what upstreams are told about it: the ConfigMap keys around
// X-Forwarded-For and X-Request-ID. There are no annotations here.
//
// Package annotations imports it through the generated list; it imports annotations/feature and proxy/ir. Everything here is
// immutable.
package forwarded
