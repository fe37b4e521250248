// Package certs chooses the certificate for a TLS handshake. It keeps the certificates of all hosts in
// one immutable snapshot behind an atomic pointer, so that a handshake takes no lock and a new Secret is
// shown by the next handshake.
//
// The data plane above proxy/ir and the controllers may import it; it imports proxy/ir. A Store is safe
// for concurrent use; Update calls are serialised among themselves.
package certs
