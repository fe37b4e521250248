package translate

// passThrough decides whether the TLS connections of a host go to a Service unopened (ssl-passthrough). They have no path, so
// only the Ingress that has the path "/" can have them: it gets all that is sent there, whatever paths others have. That is why
// claimHost lets none ask from another namespace.
func (w *world) passThrough(h *host) {
	for _, p := range h.passers {
		c := h.at(root)
		fault := ""
		switch {
		case !w.options.Passthrough:
			fault = "start the controller with --enable-ssl-passthrough: until then TLS ends here"
		case h.name == "":
			fault = "a rule without a host has no name that clients could ask for: write a host"
		case c == nil || c.plan != p || c.implicit:
			fault = "only the Service of the path / (Prefix) can have the connections of " + h.name + ", and this Ingress does not have that path"
		case c.target == nil || c.fallback:
			fault = "the path / leads to no Service"
		case h.deny != 0 || p.intent.Deny != 0:
			fault = "something that guards access cannot be honoured: TLS ends here, and requests are denied"
		}
		if fault != "" {
			p.report("ssl-passthrough", h.name, fault)
			continue
		}
		h.passthrough = c.target.Key
	}
}
