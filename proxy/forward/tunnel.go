package forward

import (
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/tunnel"
	"github.com/yettproxy/yett/proxy/upstream"
)

// tunnel takes over both connections after 101 was written, until one side fails, both have ended, or nothing has come from either for
// the read timeout.
func (s *flight) tunnel(a *filter.Attempt, start int64) {
	x := s.x
	if x.Stream.Flush() != nil {
		s.abandon(a, start)
		return
	}
	client, early, err := x.Stream.Hijack()
	if err != nil {
		s.abandon(a, start)
		return
	}
	server, reply := s.conn.(*conn).Take() // nobody else switches protocols
	s.conn = nil
	joined := tunnel.Tunnel{Idle: s.plan.Policy.Read}
	x.TunnelIn, x.TunnelOut = joined.Join(tunnel.Side{Conn: client, Read: early}, tunnel.Side{Conn: server, Read: reply})
	a.Bytes = x.TunnelOut
	a.Total = time.Duration(upstream.Now() - start)
}
