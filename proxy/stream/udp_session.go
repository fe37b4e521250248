package stream

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/upstream"
)

// udpSession is the datagrams of one client.
type udpSession struct {
	port     *udpPort
	flow     flow
	target   *target
	endpoint *upstream.Endpoint
	server   *net.UDPConn
	info     filter.Conn
	log      session

	// requests and responses are guarded by the lock of the port.
	requests, responses int64
	received, sent      atomic.Int64
	last                atomic.Int64
	// spent is closed after the first datagram if no answer is expected.
	spent chan struct{}
}

// begin begins a session; nil if there is no endpoint. The lock is held.
func (p *udpPort) begin(f flow) *udpSession {
	t := p.target.Load()
	s := &udpSession{port: p, flow: f, target: t, spent: make(chan struct{})}
	s.info = filter.Conn{Serial: p.server.serial.Add(1), Peer: f.client, Local: netip.AddrPortFrom(f.local, p.number)}
	s.log = session{info: &s.info, stream: t.stream, start: time.Now()}
	p.counters.sessions.Add(1)
	choice := upstream.Choice{Serial: s.info.Serial}
	for range upstream.MaxTries {
		if s.endpoint = t.upstream.Pick(&choice); s.endpoint == nil {
			break
		}
		s.log.try(s.endpoint)
		conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.endpoint.Address().AddrPort))
		if err == nil { // nothing was sent, so this only fails where there is no route
			s.server = conn
			break
		}
		s.endpoint.Fail(upstream.ConnectError)
	}
	if s.server == nil {
		p.failed.Add(1)
		s.log.status = statusBadGateway
		p.server.log(&s.log, t.settings)
		return nil
	}
	p.open[f] = s
	s.endpoint.Begin()
	p.sessions.Go(s.answer)
	return s
}

// send sends a datagram of the client to the endpoint.
func (s *udpSession) send(b []byte) {
	s.received.Add(int64(len(b)))
	s.port.in.Add(uint64(len(b)))
	if _, err := s.server.Write(b); err != nil {
		s.port.dropped.Add(1)
	}
	if s.target.settings.Responses == 0 {
		s.endIf(func() bool { return true })
		close(s.spent)
	}
}

// endIf ends the session if over says so: the next datagram of the client begins another one. Both happen under the lock
// of the port, so that no datagram goes into a session that nobody listens to any more.
func (s *udpSession) endIf(over func() bool) bool {
	s.port.mu.Lock()
	defer s.port.mu.Unlock()
	if !over() {
		return false
	}
	if s.port.open[s.flow] == s {
		delete(s.port.open, s.flow)
	}
	return true
}

// silence returns how long the session may still be silent.
func (s *udpSession) silence() time.Duration {
	return s.target.settings.Idle - time.Duration(upstream.Now()-s.last.Load())
}

// answer sends what the endpoint answers to the client until the session is over.
func (s *udpSession) answer() {
	s.log.status = statusOK
	if s.target.settings.Responses == 0 {
		<-s.spent
	} else if err := s.receive(); isRefused(err) {
		s.endpoint.Fail(upstream.ConnectRefused)
		s.log.status = statusBadGateway
		s.port.failed.Add(1)
	}
	s.endIf(func() bool { return true })
	_ = s.server.Close()
	s.endpoint.Done()
	s.log.received, s.log.sent = s.received.Load(), s.sent.Load()
	s.port.server.log(&s.log, s.target.settings)
}

// receive moves answers. It returns nil when there will be none any more.
func (s *udpSession) receive() error {
	raw, err := s.server.SyscallConn()
	if err != nil {
		return fmt.Errorf("read answers: %w", err)
	}
	source := sourceControl(s.flow.local)
	conn := s.port.conns[s.flow.socket]
	answered := func() bool {
		s.responses++
		return s.responses >= int64(s.target.settings.Responses)*s.requests
	}
	silent := func() bool { return s.silence() <= 0 }
	for {
		_ = s.server.SetReadDeadline(time.Now().Add(s.silence()))
		err := receiveOne(raw, func(b []byte) {
			s.last.Store(upstream.Now())
			s.sent.Add(int64(len(b)))
			s.port.out.Add(uint64(len(b)))
			if _, _, err := conn.WriteMsgUDPAddrPort(b, source, s.flow.client); err != nil {
				s.port.dropped.Add(1)
			}
		})
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			if s.endIf(silent) {
				return nil
			}
		case err != nil:
			return err
		case s.endIf(answered):
			return nil
		}
	}
}
