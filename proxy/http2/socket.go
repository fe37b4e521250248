package http2

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net"
	"net/http"

	"github.com/yettproxy/yett/proxy/wire"
)

// WebSockets over HTTP/2 (RFC 8441). An extended CONNECT becomes the handshake that HTTP/1.1 would have had, a GET with
// Upgrade, so that everything behind the engine takes it for one; what that has and HTTP/2 has not, the key, is made here, and
// what proves that the upstream has understood it is checked here, since the client cannot. A 101 becomes 200, and the
// stream a net.Conn (tunnel.go).
//
// The surprise is what happens to other answers: to CONNECT any 2xx means that the tunnel stands, so the 200 of an upstream
// that knows nothing of WebSockets must not pass. It becomes 502.

// errAccept says that an upstream has switched protocols without having read the handshake.
var errAccept = errors.New("write response: sec-websocket-accept does not fit the key")

// setSocket checks what an extended CONNECT has beside the fields of every request, and makes a handshake of it.
func (h *headParser) setSocket(s *stream) {
	switch {
	case h.protocol == "":
		h.malformed("malformed protocol")
		return
	case !wire.EqualFold(h.protocol, "websocket"):
		h.refuse(http.StatusNotImplemented, "unknown protocol") // RFC 9220 section 3
		return
	case h.declared > 0:
		h.refuse(http.StatusBadRequest, "upgrade with a body")
		return
	}
	s.socket, h.declared = true, -1
	r := &s.x.Request
	r.Method, r.Upgrade = http.MethodGet, true
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.AppendEncode(s.x.Arena.Begin(), nonce[:])
	s.x.Overrides.Set("Sec-WebSocket-Key", s.x.Arena.End(key))
}

// accepted reports whether a response answers the key of the handshake (RFC 6455 section 4.2.2).
func (s *stream) accepted(r *wire.Response) bool {
	key, _ := s.x.Overrides.Find("Sec-WebSocket-Key")
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	got, _ := r.Fields.Find("Sec-WebSocket-Accept")
	return got == base64.StdEncoding.EncodeToString(sum[:])
}

// writeSwitch is WriteHead for 101.
func (s *stream) writeSwitch(r *wire.Response) error {
	if !s.socket {
		return s.fail(wire.ErrInterimHead)
	}
	if !s.accepted(r) {
		r.Status = http.StatusBadGateway
		return s.fail(errAccept)
	}
	o := &s.out
	r.Fields.Del("Sec-WebSocket-Accept")
	o.Began = true
	o.head = appendFields(appendStatus(o.memory[:0], http.StatusOK), r.Fields.All(), wire.HTTP1Only)
	o.memory = o.head[:0]
	return nil
}

// writeNoSwitch answers a handshake to which the upstream has said 2xx, and ends the stream. Nobody wants what follows.
func (s *stream) writeNoSwitch(r *wire.Response) error {
	r.Fields.Reset()
	r.Status, r.Length = http.StatusBadGateway, 0
	o := &s.out
	o.Began, o.None = true, true
	o.head = appendDate(appendHead(o.memory[:0], r, 0), &s.c.srv.dates, s.x.Start)
	o.memory = o.head[:0]
	err := s.send(nil, true, nil)
	o.done = err == nil
	s.gone.Store(true)
	return err
}

// Hijack implements wire.Stream: after 101 the stream itself is the connection.
func (s *stream) Hijack() (net.Conn, []byte, error) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.socket || !s.out.Began || s.out.None || !s.open {
		return nil, nil, errors.New("hijack connection: the stream is none")
	}
	s.tunnel = &tunnel{s: s, c: c, total: s.out.total, body: s.out.body}
	c.tunnels++
	c.tunnelsLocked()
	return s.tunnel, nil, nil
}

// tunnelsLocked tells the watcher when nothing but tunnels is left of a connection that takes no more requests: drain need not wait
// for them.
func (c *conn) tunnelsLocked() {
	if w := c.info.Watch; w != nil && c.leaving == final && c.running > 0 && c.running == c.tunnels && !c.dead {
		w.Tunnel()
	}
}
