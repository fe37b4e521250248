package main

import (
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/net/http2"
)

// The paths of gRPC's calls.
const (
	unaryPath  = "/bench.Echo/Unary"
	streamPath = "/bench.Echo/Stream"
)

// slot is one of the streams that a connection keeps busy.
type slot struct{ begin time.Time }

// h2session keeps Streams streams busy on one connection: when one has its answer, its slot begins the next. With
// kindGRPCStream a slot keeps its stream, and a request is one message there and back.
func (g *generator) h2session(c net.Conn, took *[]time.Duration) error {
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		return err
	}
	l := newH2(c)
	id := uint32(1)
	for range g.Streams {
		g.begin(l, id, &slot{})
		id += 2
	}
	for !g.ended.Load() {
		kind, s, end, payload, err := l.next()
		switch {
		case err != nil:
			return err
		case s.slot == nil:
			return fmt.Errorf("stream %d is none of ours", s.id)
		case g.Kind == kindGRPCStream && end:
			return fmt.Errorf("stream ended with status %q", s.status)
		case g.Kind == kindGRPCStream && kind == http2.FrameData:
			if s.got += len(payload); s.got < len(grpcMessage) {
				continue
			}
			s.got -= len(grpcMessage)
			g.finish(s.slot, took)
			s.slot.begin = time.Now()
			l.data(s, grpcMessage, false)
		case end:
			if want := map[string]string{kindHTTP2: "200", kindGRPC: "0"}[g.Kind]; s.status != want {
				return fmt.Errorf("answered with status %q", s.status)
			}
			g.finish(s.slot, took)
			delete(l.streams, s.id)
			g.begin(l, id, s.slot)
			id += 2
		}
	}
	return nil
}

// begin sends the request of a slot on a new stream.
func (g *generator) begin(l *h2link, id uint32, at *slot) {
	s := &h2stream{id: id, window: l.initial, slot: at}
	l.streams[id] = s
	at.begin = time.Now()
	if g.Kind == kindHTTP2 {
		l.headers(id, true, ":method", "GET", ":scheme", "https", ":authority", host, ":path", "/small?x=1", "user-agent", "bench", "accept", "*/*",
			"accept-language", "en", "cookie", "a=b")
		return
	}
	path := unaryPath
	if g.Kind == kindGRPCStream {
		path = streamPath
	}
	l.headers(id, false, ":method", "POST", ":scheme", "https", ":authority", host, ":path", path, "content-type", "application/grpc",
		"te", "trailers", "user-agent", "bench")
	l.data(s, grpcMessage, g.Kind == kindGRPC)
}

// finish counts an answer.
func (g *generator) finish(at *slot, took *[]time.Duration) {
	g.done.Add(1)
	if g.measuring.Load() {
		*took = append(*took, time.Since(at.begin))
	}
}
