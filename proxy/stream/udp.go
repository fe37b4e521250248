package stream

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/upstream"
)

// Datagrams that come from one address and port of a client to one address of ours are a session, and go to one
// endpoint over a socket of the session's own, so that its answers find back. As in nginx a session is over when as many
// answers have come as proxy-stream-responses asks for, or when it has been silent for proxy-stream-timeout.
//
// One goroutine for each socket reads what clients send, one for each session what endpoints answer. The surprise is that
// answers must leave from the address that was asked: a socket that is bound to all addresses would pick one of its own, and
// the client would not know it. So the kernel tells with each datagram where it went, and is told so with the answer.

const (
	// maxSessions is how many sessions a port may have unless the options say otherwise. Beyond, datagrams of new
	// clients are dropped: whoever forges addresses must not fill our memory.
	maxSessions = 16 << 10
	// maxDatagram is the longest datagram.
	maxDatagram = 64 << 10
	// udpGrace is how long drain waits for answers.
	udpGrace = 5 * time.Second
	// socketBuffer is how much the kernel keeps for a port while we are busy, in bytes.
	socketBuffer = 1 << 20
)

// datagrams is memory and nothing else.
var datagrams = sync.Pool{New: func() any { return new([maxDatagram]byte) }}

// udpPort is a port of a UDP service.
type udpPort struct {
	server *Server
	number uint16
	conns  []*net.UDPConn
	target atomic.Pointer[target]
	counters
	readers  sync.WaitGroup
	sessions sync.WaitGroup
	limit    int
	draining atomic.Bool

	mu   sync.Mutex
	open map[flow]*udpSession
}

// flow is what a session is known by.
type flow struct {
	client netip.AddrPort
	// local is the address that was asked, and socket the place of the listening socket.
	local  netip.Addr
	socket int
}

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

// newUDPPort binds a port.
func newUDPPort(s *Server, number uint16) (*udpPort, error) {
	p := &udpPort{server: s, number: number, open: map[flow]*udpSession{}, limit: s.options.MaxConnections}
	if p.limit <= 0 {
		p.limit = maxSessions
	}
	for _, host := range s.options.Hosts {
		lc := net.ListenConfig{Control: tellDestination}
		conn, err := lc.ListenPacket(s.ctx, "udp", net.JoinHostPort(host, strconv.Itoa(int(number))))
		if err != nil {
			p.close()
			return nil, fmt.Errorf("open udp port: listen on %q: %w", net.JoinHostPort(host, strconv.Itoa(int(number))), err)
		}
		udp := conn.(*net.UDPConn)
		_ = udp.SetReadBuffer(socketBuffer) // the kernel may allow less
		p.conns = append(p.conns, udp)
	}
	return p, nil
}

// close closes the listening sockets.
func (p *udpPort) close() {
	for _, c := range p.conns {
		_ = c.Close()
	}
}

// lead implements port. Sessions that are there stay with the endpoint they have.
func (p *udpPort) lead(t *target) { p.target.Store(t) }

// start implements port.
func (p *udpPort) start(context.Context) {
	for i, c := range p.conns {
		p.readers.Go(func() { p.read(i, c) })
	}
}

// stats implements port.
func (p *udpPort) stats() Stats {
	s := p.counters.stats(p.target.Load().stream)
	p.mu.Lock()
	s.Active = len(p.open)
	p.mu.Unlock()
	return s
}

// drain implements port. Once the grace period is over no session begins any more; those that wait for answers have some
// seconds.
func (p *udpPort) drain(ctx context.Context, grace time.Duration) error {
	wait(ctx, grace)
	p.draining.Store(true)
	ended := make(chan struct{})
	go func() { p.sessions.Wait(); close(ended) }()
	limit, cancel := context.WithTimeout(ctx, udpGrace)
	defer cancel()
	select {
	case <-ended:
	case <-limit.Done():
		p.mu.Lock()
		for _, s := range p.open {
			_ = s.server.Close()
		}
		p.mu.Unlock()
		<-ended
	}
	p.close()
	p.readers.Wait()
	return nil
}

// wait waits for a while, or until the context ends.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// read takes the datagrams of clients until the socket is closed.
func (p *udpPort) read(socket int, conn *net.UDPConn) {
	buffer := new([maxDatagram]byte)
	var control [controlSize]byte
	for {
		n, c, _, client, err := conn.ReadMsgUDPAddrPort(buffer[:], control[:])
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(time.Millisecond) // such as no memory: it does not come back at once
			continue
		}
		f := flow{client: netip.AddrPortFrom(client.Addr().Unmap(), client.Port()), local: destination(control[:c]), socket: socket}
		if s := p.session(f); s == nil {
			p.dropped.Add(1)
		} else {
			s.send(buffer[:n])
		}
	}
}

// session returns the session of a flow, with one more datagram to be answered, or begins it; nil if there must be none.
func (p *udpPort) session(f flow) *udpSession {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.open[f]
	if s == nil && len(p.open) < p.limit && !p.draining.Load() {
		s = p.begin(f)
	}
	if s != nil {
		s.requests++
		s.last.Store(upstream.Now())
	}
	return s
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
