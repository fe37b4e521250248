// Package certs chooses the certificate for a TLS handshake. It keeps the certificates of all hosts in
// one immutable snapshot behind an atomic pointer, so that a handshake takes no lock and a new Secret is
// shown by the next handshake. Handshakes that have begun finish with the snapshot they began with;
// session tickets stay good across snapshots.
//
// The certificate of a name is that of the host with exactly this name or alias, else of the wildcard host
// one label above, else the default one; clients that name no host get the default one. A certificate that
// cannot be used any more (its key does not belong to it, or its Secret is gone) keeps its last good version as
// long as a host names it.
//
// The data plane above proxy/ir and the controllers may import it; it imports proxy/ir, proxy/pattern and
// proxy/variable. A Store is safe for concurrent use; Update calls are serialised among themselves.
package certs
