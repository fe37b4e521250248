// Package proxyssl is how TLS is spoken to endpoints: the proxy-ssl-* annotations.
//
// As in ingress-nginx, nothing of it counts without proxy-ssl-secret. What cannot be honoured denies the Ingress
// (503), since an endpoint that was to be checked must not be trusted unchecked.
//
// Package annotations imports it through the generated list; it imports annotations/feature and proxy/ir. Everything here is
// immutable.
package proxyssl
