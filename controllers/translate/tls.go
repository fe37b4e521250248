package translate

import (
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

// claimTLS decides which certificate a host shows, if its oldest Ingress with a TLS section is this one
// (nginx-compat section 3.18). A TLS section makes every host of its Ingress redirect to https, also those that it
// does not name: they show the default certificate. The catch-all always shows the default certificate and
// never redirects, since there is no name to have a certificate for.
func (w *world) claimTLS(p *plan, h *host) {
	sections := p.ing.Spec.TLS
	switch {
	case len(sections) == 0 || h.tlsBy == p:
		return
	case h.name == "":
		p.remark("spec.tls", "", "rules without a host show the default certificate: set --default-ssl-certificate")
		return
	case h.tlsBy != nil:
		if i, ok := p.sectionOf(h.name); ok && p.namespaced(sections[i].SecretName) != namespacedRef(h.certificate) {
			p.remark("spec.tls["+strconv.Itoa(i)+"].secretName", sections[i].SecretName,
				"Ingress "+h.tlsBy.key+" comes first and says which certificate "+h.name+" shows")
		}
		return
	}
	h.tlsBy, h.tls = p, true
	if i, ok := p.sectionOf(h.name); ok {
		w.showNamed(p, h, i)
		return
	}
	for i := range sections {
		if sections[i].SecretName == "" {
			continue
		}
		if c := w.certificate(p.namespaced(sections[i].SecretName)); c.fault == "" && c.covers(h.name) {
			h.certificate = c.Ref
			return
		}
	}
	p.remark("spec.tls", h.name, "no entry names the host and no certificate covers it: it shows the default certificate")
}

// showNamed gives a host the certificate of the TLS section that names it, if it is good for the host.
func (w *world) showNamed(p *plan, h *host, i int) {
	secret := p.ing.Spec.TLS[i].SecretName
	if secret == "" {
		return
	}
	c := w.certificate(p.namespaced(secret))
	fault := c.fault
	if fault == "" && !c.covers(h.name) {
		fault = "the certificate in Secret " + c.Ref.String() + " is not good for " + h.name
	}
	if fault != "" {
		p.report("spec.tls["+strconv.Itoa(i)+"].secretName", secret, fault+": the default certificate is shown")
		return
	}
	h.certificate = c.Ref
}

// fewHosts is how many names in TLS sections are searched one by one; beyond, they are indexed.
const fewHosts = 8

// sectionOf returns the first TLS section that names a host.
func (p *plan) sectionOf(host string) (section int, ok bool) {
	sections := p.ing.Spec.TLS
	if p.sections == nil {
		count := 0
		for i := range sections {
			count += len(sections[i].Hosts)
		}
		if count <= fewHosts {
			for i := range sections {
				for _, name := range sections[i].Hosts {
					if strings.EqualFold(name, host) {
						return i, true
					}
				}
			}
			return 0, false
		}
		p.sections = make(map[string]int, count)
		for i := range sections {
			for _, name := range sections[i].Hosts {
				name = strings.ToLower(name)
				if _, ok := p.sections[name]; !ok {
					p.sections[name] = i
				}
			}
		}
	}
	section, ok = p.sections[host]
	return section, ok
}

// certificate returns a TLS Secret that has been read, once in a translation.
func (w *world) certificate(name types.NamespacedName) *certificate {
	if c := w.certificates[name]; c != nil {
		return c
	}
	w.lookup.refs.Secrets[name] = struct{}{}
	secret := w.lookup.objects.Secrets[name]
	if secret == nil {
		c := &certificate{missing: true, fault: "there is no Secret " + name.String()}
		c.Ref.Namespace, c.Ref.Name = name.Namespace, name.Name
		w.certificates[name] = c
		return c
	}
	c := w.options.Memo.find(name, secret)
	if c == nil {
		c = readCertificate(name, secret)
	}
	w.certificates[name] = c
	return c
}
