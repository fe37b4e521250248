package certs

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/pattern"
)

// Update takes over the certificates and TLS settings of cfg and returns what is wrong with them, in a
// stable order. Only certificates whose text has changed are parsed.
func (s *Store) Update(cfg *ir.Config) []Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	problems := s.parse(cfg)
	b := builder{store: s, configs: make(map[hostSpec]*tls.Config), next: &snapshot{
		exact: make(map[string]shows, len(cfg.Hosts)), wildcard: make(map[string]shows),
	}}
	def := Shown{Host: "_", Ref: cfg.Settings.DefaultCertificate}
	b.next.fallback = b.certificate(&def)
	b.fallback = def
	b.next.shown = append(b.next.shown, def)
	b.settings(&cfg.Settings.TLS)
	shown := make([]shows, len(cfg.Hosts))
	for i := range cfg.Hosts {
		shown[i] = b.host(&cfg.Hosts[i])
	}
	for i := range cfg.Hosts { // aliases never take a name from a host
		for _, alias := range cfg.Hosts[i].Aliases {
			b.alias(alias, shown[i])
		}
	}
	problems = append(problems, b.missing(cfg)...)
	slices.SortFunc(b.next.shown, func(a, b Shown) int { return cmp.Compare(a.Host, b.Host) })
	s.current.Store(b.next)
	return append(problems, b.problems...)
}

// parse brings s.good up to date. What is bad now keeps its last good version.
func (s *Store) parse(cfg *ir.Config) []Problem {
	next := make(map[ir.CertificateRef]*parsed, len(cfg.Certificates))
	var changed []*ir.Certificate
	for i := range cfg.Certificates {
		c := &cfg.Certificates[i]
		if old := s.good[c.Ref]; old != nil && old.cert == c.Cert && old.key == c.Key {
			next[c.Ref] = old
		} else {
			changed = append(changed, c)
		}
	}
	results := parseAll(changed)
	var problems []Problem
	for i, c := range changed {
		if results[i].err == nil {
			next[c.Ref] = results[i].parsed
			continue
		}
		instead := "the default certificate is shown"
		if old := s.good[c.Ref]; old != nil {
			next[c.Ref] = old
			instead = "the last good one is still shown"
		}
		problems = append(problems, Problem{Ref: c.Ref, Reason: reasonOf(results[i].err) + ": " + instead})
	}
	s.good = next
	return problems
}

// result is what came of parsing one certificate.
type result struct {
	parsed *parsed
	err    error
}

// parseAll parses certificates on all cores: ten thousand take seconds on one.
func parseAll(list []*ir.Certificate) []result {
	results := make([]result, len(list))
	var next atomic.Int64
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(list)) {
		group.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(list)); i = next.Add(1) - 1 {
				c := list[i]
				pair, err := tls.X509KeyPair([]byte(c.Cert), []byte(c.Key))
				results[i] = result{&parsed{cert: c.Cert, key: c.Key, tls: &pair}, err}
			}
		})
	}
	group.Wait()
	return results
}

// reasonOf says what is wrong with a certificate. The errors of crypto/tls show nothing of the key.
func reasonOf(err error) string {
	return "certificate cannot be used: " + strings.TrimPrefix(err.Error(), "tls: ")
}

// builder makes a snapshot.
type builder struct {
	store    *Store
	next     *snapshot
	fallback Shown
	problems []Problem
	// configs are those that hosts have of their own.
	configs map[hostSpec]*tls.Config
}

// certificate returns the certificate that a reference means, or that which is shown instead; it corrects
// what then is shown.
func (b *builder) certificate(what *Shown) *tls.Certificate {
	if p := b.store.good[what.Ref]; p != nil {
		what.Leaf = p.tls.Leaf
		return p.tls
	}
	if b.next.fallback == nil {
		what.Ref, what.Leaf = ir.CertificateRef{}, b.store.own.Leaf
		return b.store.own
	}
	what.Ref, what.Leaf = b.fallback.Ref, b.fallback.Leaf
	return b.next.fallback
}

// missing reports references to certificates that are not there.
func (b *builder) missing(cfg *ir.Config) (problems []Problem) {
	reported := make(map[ir.CertificateRef]bool, len(cfg.Certificates))
	for i := range cfg.Certificates {
		reported[cfg.Certificates[i].Ref] = true
	}
	check := func(ref ir.CertificateRef, host string) {
		if !ref.IsZero() && !reported[ref] {
			reported[ref] = true
			problems = append(problems, Problem{Ref: ref, Host: host, Reason: "certificate is missing: the default one is shown"})
		}
	}
	check(cfg.Settings.DefaultCertificate, "")
	for i := range cfg.Hosts {
		check(cfg.Hosts[i].Certificate, cfg.Hosts[i].Name)
	}
	return problems
}

// host adds the name of a host and returns what the host shows.
func (b *builder) host(h *ir.VirtualHost) shows {
	what := Shown{Host: h.Name, Ref: h.Certificate}
	host := shows{b.certificate(&what), b.own(h)}
	switch {
	case h.Name != "":
		b.add(h.Name, host)
		if h.TLS {
			b.next.shown = append(b.next.shown, what)
		}
	case host.own != nil:
		b.next.unnamed = host.own
	}
	return host
}

// alias adds an alias of a host. It shows the host's certificate if that covers it, else the default one.
func (b *builder) alias(alias string, host shows) {
	if expr, ok := strings.CutPrefix(alias, "~"); ok {
		if p, err := pattern.Compile(expr, true); err == nil { // the route table reports bad ones
			b.next.patterns = append(b.next.patterns, aliasPattern{p, host})
		}
		return
	}
	if !covers(host.certificate.Leaf, alias) {
		host.certificate = b.next.fallback
	}
	b.add(alias, host)
}

// covers reports whether a certificate is good for a name. The common name counts, as in ingress-nginx.
func covers(leaf *x509.Certificate, name string) bool {
	if leaf.VerifyHostname(name) == nil {
		return true
	}
	if leaf.Subject.CommonName == "" {
		return false
	}
	byCommonName := x509.Certificate{DNSNames: []string{leaf.Subject.CommonName}}
	return byCommonName.VerifyHostname(name) == nil
}

// add adds a name. The first host that has a name keeps it.
func (b *builder) add(name string, host shows) {
	names := b.next.exact
	if rest, ok := strings.CutPrefix(name, "*"); ok {
		names, name = b.next.wildcard, rest
	}
	if _, taken := names[name]; !taken {
		names[name] = host
	}
}

// settings makes the configuration of handshakes.
func (b *builder) settings(s *ir.TLSSettings) {
	protos := b.store.options.NextProtos
	if s.HTTP1Only {
		protos = slices.DeleteFunc(slices.Clone(protos), func(p string) bool { return p == "h2" })
	}
	config := &tls.Config{
		MinVersion: s.MinVersion, MaxVersion: s.MaxVersion, NextProtos: protos,
		GetCertificate: b.next.getCertificate,
	}
	if config.MinVersion == 0 {
		config.MinVersion = tls.VersionTLS12
		if s.MaxVersion != 0 && s.MaxVersion < config.MinVersion {
			config.MinVersion = s.MaxVersion
		}
	}
	if config.MaxVersion != 0 && config.MaxVersion < config.MinVersion {
		b.problems = append(b.problems, Problem{Reason: "ssl-protocols: the highest version is below the lowest: TLS 1.2 and 1.3 are spoken"})
		config.MinVersion, config.MaxVersion = tls.VersionTLS12, 0
	}
	config.CipherSuites = b.ciphers("ssl-ciphers", s.Ciphers)
	config.SessionTicketsDisabled = s.NoResumption
	b.next.config, b.next.unnamed = config, config
	if s.RejectUnknown {
		// crypto/tls answers unrecognized_name, as nginx does, if there is no certificate at all. A session
		// ticket of another name must not help either.
		b.next.reject = &tls.Config{
			MinVersion: config.MinVersion, MaxVersion: config.MaxVersion, NextProtos: config.NextProtos, SessionTicketsDisabled: true,
		}
	}
}
