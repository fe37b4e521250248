package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/http3"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/listen"
)

// listenQUIC binds the UDP ports of the https listeners, if HTTP/3 is asked for.
func (p *Proxy) listenQUIC() error {
	if !p.options.HTTP3 {
		return nil
	}
	o := http3.Options{
		TLS: p.certs.ServerConfig(), Handler: p, Limits: p.limits, MaxConnections: p.options.MaxConnections,
		Rejected: p.rejected, Panicked: p.panicked,
	}
	_, https := p.listener.Addresses()
	for _, a := range https {
		o.Addresses = append(o.Addresses, a.String())
	}
	var err error
	p.http3, err = http3.New(o)
	return err
}

// drainAll drains all listeners at the same time.
func (p *Proxy) drainAll(ctx context.Context, grace time.Duration) error {
	if p.http3 == nil {
		return p.listener.Drain(ctx, grace)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.http3.Drain(ctx, grace) }()
	return errors.Join(p.listener.Drain(ctx, grace), <-ended)
}

// Connections counts the connections of clients, over TCP and over QUIC.
func (p *Proxy) Connections() listen.Stats {
	s := p.listener.Stats()
	if p.http3 != nil {
		q := p.http3.Stats()
		s.Accepted += q.Accepted
		s.Handled += q.Handled
		s.Requests += q.Requests
		s.Active += q.Active
		s.Writing += q.Writing
		s.Waiting += q.Active - q.Writing
	}
	return s
}

// speaksHTTP3 reports whether clients may be told of HTTP/3: it needs TLS 1.3.
func (p *Proxy) speaksHTTP3(s *ir.TLSSettings) bool {
	return p.http3 != nil && (s.MaxVersion == 0 || s.MaxVersion >= tls.VersionTLS13)
}

// announceHTTP3 tells a client that came over TLS where HTTP/3 is spoken (RFC 7838): on the port that it used itself, which
// a Service or load balancer may have mapped to ours.
func announceHTTP3(x *filter.Exchange) {
	if x.Conn.TLS == nil || x.Request.Major >= 3 {
		return
	}
	value := `h3=":443"; ma=86400`
	if i := strings.LastIndexByte(x.Request.Authority, ':'); i > strings.LastIndexByte(x.Request.Authority, ']') {
		value = x.Arena.Concat(`h3="`, x.Request.Authority[i:], `"; ma=86400`)
	}
	x.Response.Fields.Set("Alt-Svc", value)
}
