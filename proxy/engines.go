package proxy

import (
	"context"
	"fmt"
	"net"
	"runtime/debug"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/http1"
	"github.com/yettproxy/yett/proxy/http2"
)

// engines are the protocols that clients can speak. They call the same handler.
type engines struct {
	http1 http1.Server
	http2 http2.Server
}

// newEngines returns the engines of a proxy.
func newEngines(p *Proxy) *engines {
	e := &engines{
		http1: http1.Server{Handler: p, Limits: p.limits, Draining: p.draining, Rejected: p.rejected, Panicked: p.panicked},
		http2: http2.Server{Handler: p, Limits: p.limits, Draining: p.draining, Rejected: p.rejected, Panicked: p.panicked},
	}
	serve := e.http2.ServeFrom
	e.http1.HTTP2 = func() func(ctx context.Context, nc net.Conn, info *filter.Conn, read []byte) {
		if p.current.Load().http1 {
			return nil
		}
		return serve
	}
	return e
}

// Serve implements listen.ConnServer: what was agreed on in the TLS handshake is spoken. In cleartext the client begins with
// what it speaks.
func (e *engines) Serve(ctx context.Context, nc net.Conn, info *filter.Conn) {
	if info.TLS != nil && info.TLS.NegotiatedProtocol == "h2" {
		e.http2.Serve(ctx, nc, info)
		return
	}
	e.http1.Serve(ctx, nc, info)
}

// panicked reports a panic of the handler.
func (p *Proxy) panicked(x *filter.Exchange, value any) {
	if p.options.Errors != nil {
		p.options.Errors(fmt.Errorf("serve %s %q: panic: %v\n%s", x.Request.Method, x.Request.Path, value, debug.Stack()))
	}
}
