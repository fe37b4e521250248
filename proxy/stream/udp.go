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

	"github.com/yettproxy/yett/proxy/pause"
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
	pause.For(ctx, grace)
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
