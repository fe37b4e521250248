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
		w.repeatNamed(p, h)
		return
	}
	h.tlsBy, h.tls = p, true
	if i, ok := p.sectionOf(h.name); ok {
		w.showNamed(p, h, i)
		return
	}
	if c := w.covering(p, h.name); c != nil {
		h.certificate = c.Ref
		return
	}
	p.remark("spec.tls", h.name, "no entry names the host and no certificate covers it: it shows the default certificate")
}

// showNamed gives a host the certificate of the TLS section that names it, if it is good for the host. A Secret that
// is gone or spoilt is named all the same: the proxy goes on showing what was last good in it, so that a slip does not
// turn into a certificate that no client trusts.
func (w *world) showNamed(p *plan, h *host, i int) {
	secret := p.ing.Spec.TLS[i].SecretName
	if secret == "" {
		return
	}
	c, key := w.certificate(p.namespaced(secret)), "spec.tls["+strconv.Itoa(i)+"].secretName"
	if c.fault == "" && !c.covers(h.name) {
		p.report(key, secret, "the certificate in Secret "+c.Ref.String()+" is not good for "+h.name+": the default certificate is shown")
		return
	}
	if c.fault != "" {
		p.report(key, secret, c.fault+lastGood)
	}
	h.certificate = c.Ref
}

// repeatNamed tells an Ingress that comes later what its TLS section does for a host: nothing, or, if it names the same
// Secret as the first, the same.
func (w *world) repeatNamed(p *plan, h *host) {
	i, ok := p.sectionOf(h.name)
	if !ok {
		return
	}
	secret, key := p.ing.Spec.TLS[i].SecretName, "spec.tls["+strconv.Itoa(i)+"].secretName"
	if p.namespaced(secret) != namespacedRef(h.certificate) {
		p.remark(key, secret, "Ingress "+h.tlsBy.key+" comes first and says which certificate "+h.name+" shows")
	} else if c := w.certificate(p.namespaced(secret)); c.fault != "" {
		p.report(key, secret, c.fault+lastGood)
	}
}

// lastGood says what hosts show whose Secret is not there or spoilt.
const lastGood = ": the last good certificate is shown, or the default one if there was none"

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

// covering returns the certificate of the first TLS section whose certificate is good for a host, or nil.
func (w *world) covering(p *plan, host string) *certificate {
	sections := p.ing.Spec.TLS
	if len(sections) > fewHosts {
		return w.coveringIndexed(p, host)
	}
	for i := range sections {
		if c := w.sectionCertificate(p, i); c != nil && c.covers(host) {
			return c
		}
	}
	return nil
}

// coveringIndexed does the same where there are many sections: it looks only at those whose certificates have the
// name of the host or the wildcard above it.
func (w *world) coveringIndexed(p *plan, host string) *certificate {
	if p.covered == nil {
		p.covered = make(map[string]int)
		for i := range p.ing.Spec.TLS {
			c := w.sectionCertificate(p, i)
			if c == nil {
				continue
			}
			for _, name := range c.names.DNSNames {
				name = strings.ToLower(name)
				if _, ok := p.covered[name]; !ok {
					p.covered[name] = i
				}
			}
		}
	}
	section, ok := p.covered[host]
	if i := strings.IndexByte(host, '.'); i >= 0 {
		if above, found := p.covered["*"+host[i:]]; found && (!ok || above < section) {
			section, ok = above, true
		}
	}
	if !ok {
		return nil
	}
	return w.sectionCertificate(p, section)
}

// sectionCertificate returns the certificate of a TLS section, or nil if it has none that can be shown.
func (w *world) sectionCertificate(p *plan, i int) *certificate {
	secret := p.ing.Spec.TLS[i].SecretName
	if secret == "" {
		return nil
	}
	if c := w.certificate(p.namespaced(secret)); c.fault == "" {
		return c
	}
	return nil
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
