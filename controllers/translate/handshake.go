package translate

import "github.com/yettproxy/yett/proxy/ir"

// claimHandshake lets an Ingress say what the host asks of clients in the TLS handshake, if it stands in the namespace of the
// oldest Ingress of the host.
func (w *world) claimHandshake(p *plan, h *host) {
	if h.owner == nil {
		h.owner = p
	}
	in, ours := &p.intent.Host, h.owner.ing.Namespace == p.ing.Namespace || p.intent.CrossNamespace
	if in.Ciphers != "" && h.ciphersBy != p {
		switch {
		case !ours:
			p.report("ssl-ciphers", in.Ciphers, shownHost(h.name)+" belongs to Ingress "+h.owner.key+" of another namespace: its ciphers stay")
		case h.ciphersBy == nil:
			h.ciphersBy, h.ciphers = p, in.Ciphers
		case h.ciphers != in.Ciphers:
			p.report("ssl-ciphers", in.Ciphers, "Ingress "+h.ciphersBy.key+" comes first and chooses the ciphers of "+shownHost(h.name))
		}
	}
	if in.ClientAuth.Mode == ir.VerifyNone || h.authBy == p {
		return
	}
	if h.authBy == nil && ours {
		h.authBy, h.auth = p, in.ClientAuth
		return
	}
	switch {
	case h.authBy == nil:
		p.report("auth-tls-secret", "", shownHost(h.name)+" belongs to Ingress "+h.owner.key+
			" of another namespace, which does not ask clients for certificates: the paths answer 403")
	case !h.auth.Covers(&in.ClientAuth):
		p.report("auth-tls-secret", "", "Ingress "+h.authBy.key+" comes first and says which certificates "+shownHost(h.name)+
			" asks for, and lets clients in whom this one does not: the paths answer 403")
	case h.auth != in.ClientAuth:
		p.remark("auth-tls-secret", "", "Ingress "+h.authBy.key+" comes first and says which certificates "+shownHost(h.name)+" asks for")
	}
}
