package forward

import (
	"fmt"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/variable"
)

// Spec is what a route asks of the Forwarder, before it is compiled.
type Spec struct {
	// Origin is the identity of the route.
	Origin *filter.Origin
	// Policy is how requests are forwarded. The Plan keeps the pointer; it must not change.
	Policy *ir.Policy
	// Trust says which fields are added for upstreams.
	Trust *ir.TrustSettings
	// Main, Canary and Default are the upstreams that the route leads to; nil for none.
	Main, Canary, Default *ir.Upstream
}

// Plan is how the requests of one route are forwarded, ready for use. It is immutable and belongs to no
// particular Forwarder's exchange.
type Plan struct {
	// Policy is the policy that the plan was compiled from.
	Policy *ir.Policy
	// Host is what the Host field towards the upstream is made of, or nil for the client's.
	Host *variable.Template

	// plain and secure are the transports for http and https; which of them is used depends on the
	// protocol. secure is nil if only plain is.
	secure      *transport
	auto        bool
	unsupported bool
	// shared says that HTTP/2 is spoken: many requests share a connection.
	shared bool

	targets    [3]target
	numTargets int

	redirect     *rewriter
	cookieDomain *rewriter
	cookiePath   *rewriter

	// closes says that connections are used for one request only (connection-proxy-header: close).
	closes bool
	// persists says that endpoints are told that connections stay open (connection-proxy-header: keep-alive).
	persists bool
	// maxHead is the longest response head in bytes.
	maxHead int
	// originalURI adds X-Original-URI, keepForwarded lets Forwarded through.
	originalURI, keepForwarded bool
	// forwardedFor is the field that names the client, if it is not X-Forwarded-For.
	forwardedFor string
}

// target is what belongs to one of the upstreams of a route.
type target struct {
	key      upstream.Key
	hashBy   *variable.Template
	affinity *affinity
}

// defaultMaxHead is the longest response head, in bytes, where a policy names none.
const defaultMaxHead = 64 << 10

// Compile makes a Spec ready for use. An error says what is wrong in words for the user; the route must
// then answer 503.
func (f *Forwarder) Compile(s Spec) (*Plan, error) {
	p := &Plan{Policy: s.Policy, maxHead: s.Policy.MaxResponseHead}
	p.closes, p.persists = strings.EqualFold(s.Policy.Connection, "close"), strings.EqualFold(s.Policy.Connection, "keep-alive")
	if p.maxHead <= 0 {
		p.maxHead = defaultMaxHead
	}
	var err error
	if s.Policy.Host != "" {
		if p.Host, err = variable.Compile(s.Policy.Host); err != nil {
			return nil, fmt.Errorf("compile host %q: %w", s.Policy.Host, err)
		}
	}
	switch s.Policy.Protocol {
	case ir.HTTP:
	case ir.HTTPS, ir.AutoHTTP:
		p.auto = s.Policy.Protocol == ir.AutoHTTP
		if p.secure, err = f.transports.get(s.Policy.TLS, false); err != nil {
			return nil, err
		}
	case ir.GRPC, ir.GRPCS:
		// Of a response without a body the head has all that is said about an error; ingress-nginx has a buffer of its own
		// for gRPC, too.
		p.shared, p.maxHead = true, defaultMaxHead
		if s.Policy.Protocol == ir.GRPCS {
			if p.secure, err = f.transports.get(s.Policy.TLS, true); err != nil {
				return nil, err
			}
		}
	default:
		p.unsupported = true
	}
	if s.Trust != nil {
		p.originalURI = s.Trust.OriginalURI
		p.keepForwarded = s.Trust.UseForwardedHeaders
		if h := s.Trust.ForwardedForHeader; h != "" && !strings.EqualFold(h, "X-Forwarded-For") {
			p.forwardedFor = h
		}
	}
	if err := p.compileRewriting(s.Policy); err != nil {
		return nil, err
	}
	return p, p.addTargets(&s)
}

// addTargets compiles what belongs to the upstreams. A canary takes over the affinity of the main
// upstream unless it asks for the legacy behaviour (affinity-canary-behavior).
func (p *Plan) addTargets(s *Spec) error {
	for _, u := range []*ir.Upstream{s.Main, s.Canary, s.Default} {
		if u == nil {
			continue
		}
		t := target{key: u.Key}
		b := u.Balance
		if u == s.Canary && s.Main != nil && !b.Affinity.Legacy && s.Main.Balance.Affinity.Name != "" {
			b.Affinity = s.Main.Balance.Affinity
		}
		if b.Algorithm == upstream.Hash && b.HashBy != "" {
			var err error
			if t.hashBy, err = variable.Compile(b.HashBy); err != nil {
				return fmt.Errorf("compile hash key %q: %w", b.HashBy, err)
			}
		}
		if b.Affinity.Name != "" {
			t.affinity = newAffinity(&b.Affinity, s.Origin)
		}
		p.targets[p.numTargets] = t
		p.numTargets++
	}
	return nil
}

// target returns what belongs to an upstream, or nil if there is nothing.
func (p *Plan) target(key upstream.Key) *target {
	for i := range p.numTargets {
		if t := &p.targets[i]; t.key == key {
			return t
		}
	}
	return nil
}

// transport returns how to reach endpoints for a request whose client came by scheme; nil for cleartext.
func (p *Plan) transport(scheme string) *transport {
	if p.auto && scheme != "https" {
		return nil
	}
	return p.secure
}

// UpstreamOptions returns how an upstream with these settings chooses, for upstream.Configure.
func UpstreamOptions(b *ir.Balance) upstream.Options {
	o := upstream.Options{Algorithm: b.Algorithm}
	if b.Algorithm == upstream.Hash {
		o.SubsetSize = b.SubsetSize
	}
	switch {
	case b.Affinity.Name == "":
	case b.Affinity.Persistent:
		o.Sticky = upstream.Persistent
	default:
		o.Sticky = upstream.Balanced
	}
	return o
}

// PoolLimits returns the settings for idle connections as upstream.Registry takes them.
func PoolLimits(s *ir.PoolSettings) upstream.PoolLimits {
	return upstream.PoolLimits{Idle: s.Idle, Timeout: s.Timeout, Lifetime: s.Lifetime, Requests: s.Requests}
}
