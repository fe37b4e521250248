package stream

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/observe"
	"github.com/yettproxy/yett/proxy/upstream"
)

// session is one connection, or one exchange of datagrams, for the log.
type session struct {
	info       *filter.Conn
	stream     ir.Stream
	serverName string
	start      time.Time
	status     int
	// tried are the endpoints that were tried, the last one last; attempts says how many.
	tried    [upstream.MaxTries]*upstream.Endpoint
	attempts int
	// connect is how long the last one took to be reached.
	connect time.Duration
	// received and sent are bytes from and to the client.
	received, sent int64
}

// try notes an endpoint.
func (s *session) try(e *upstream.Endpoint) {
	if s.attempts < len(s.tried) {
		s.tried[s.attempts] = e
		s.attempts++
	}
}

// client is who opened the session: whom a PROXY header named, or the peer.
func (s *session) client() netip.AddrPort {
	if s.info.ProxyProtocol.IsValid() {
		return s.info.ProxyProtocol
	}
	return s.info.Peer
}

// local is what the client connected to.
func (s *session) local() netip.AddrPort {
	if s.info.ProxyProtocolLocal.IsValid() {
		return s.info.ProxyProtocolLocal
	}
	return s.info.Local
}

// log writes the line of a session that is over.
func (s *Server) log(what *session, settings *Settings) {
	if s.options.Log == nil || settings.LogDisabled {
		return
	}
	s.options.Log.Line(what.info.Serial, settings.format.line(what, time.Now()))
}

// counters count what goes through a port.
type counters struct {
	sessions, failed, dropped, in, out atomic.Uint64
}

// Stats are the counters of a port since it was opened; observe exports them.
type Stats = observe.StreamStats

// stats returns the counters.
func (c *counters) stats(stream ir.Stream) Stats {
	return Stats{
		Port: stream.Port, UDP: stream.Upstream.UDP, Namespace: stream.Upstream.Namespace, Service: stream.Upstream.Service,
		Sessions: c.sessions.Load(), Failed: c.failed.Load(), Dropped: c.dropped.Load(), Received: c.in.Load(), Sent: c.out.Load(),
	}
}

// Stats returns the counters of all open ports, by protocol and number, and those of all connections that were passed through.
func (s *Server) Stats() (ports []Stats, passed Stats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.open {
		ports = append(ports, p.stats())
	}
	return ports, s.passed.stats(ir.Stream{})
}
