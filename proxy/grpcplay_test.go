package proxy

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
)

// play is a response of an endpoint, frame by frame as the fuzzer wants it, and what is to be thought of it.
type play struct {
	id   uint32
	b    []byte
	cuts []int // where writes end
	end  bool  // the connection ends with it

	// What a client may be told of it.
	headed, complete bool   // the final head has come; all of the response has
	after            bool   // something has come after it was complete
	broken           bool   // something was wrong before
	raw              bool   // bytes came that nobody has looked at
	reset            bool   // RST_STREAM came
	grpc             bool   // 200 and application/grpc
	status           string // of HTTP
	code             string // grpc-status, "" for none
	body             []byte
	declared         int // content-length, -1 for none
}

// newPlay reads what the endpoint is to do.
func newPlay(in []byte, id uint32) *play {
	p := &play{id: id, declared: -1}
	next := func() (c byte) {
		if len(in) > 0 {
			c, in = in[0], in[1:]
		}
		return c
	}
	for len(in) > 0 && !p.end {
		switch op := next() % 16; op {
		case 0, 1:
			p.head(next())
		case 2, 3:
			p.data(int(next())*8, next())
		case 4, 5:
			p.trailers(next())
		case 6:
			p.note(false)
			p.reset = true
			p.frame(xhttp2.FrameRSTStream, 0, id, binary.BigEndian.AppendUint32(nil, uint32(next()%16)))
		case 7:
			last := []uint32{id, id - 1, 0, 1<<31 - 1}[next()%4]
			p.note(last >= id)
			p.frame(xhttp2.FrameGoAway, 0, 0, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), uint32(next()%16)))
		case 8:
			p.end = true
		case 9:
			n := min(int(next()), len(in))
			p.raw = p.raw || !p.complete
			p.note(false)
			p.b, in = append(p.b, in[:n]...), in[n:]
		case 10:
			p.cuts = append(p.cuts, len(p.b))
		case 11:
			p.note(!p.headed)
			p.frame(xhttp2.FrameHeaders, xhttp2.FlagHeadersEndHeaders, id, head(":status", "103", "link", "</a>"))
		case 12:
			p.frame(xhttp2.FramePing, 0, 0, make([]byte, 8))
		case 13:
			n := next()
			p.note(n > 0)
			p.frame(xhttp2.FrameWindowUpdate, 0, id, []byte{0, 0, 0, n})
		case 14:
			p.frame(xhttp2.FrameSettings, 0, 0, []byte{0, 4, 0, 1, 0, next()})
		case 15:
			p.data(0, 1)
		}
	}
	p.end = p.end || !p.complete || p.after || p.broken || p.raw
	return p
}

// note notes a frame that is in order or not.
func (p *play) note(good bool) {
	switch {
	case p.complete:
		p.after = true
	case !good:
		p.broken = true
	}
}

func (p *play) frame(kind xhttp2.FrameType, flags xhttp2.Flags, id uint32, payload []byte) {
	p.b = frame(p.b, kind, flags, id, payload)
}

// finish notes the end of the response.
func (p *play) finish() {
	if p.declared >= 0 && len(p.body) != p.declared {
		p.broken = true
	}
	p.complete = !p.broken
}

func (p *play) head(how byte) {
	status := []string{"200", "200", "503", "2x0"}[how>>3&3]
	contentType := []string{"application/grpc", "application/grpc+proto", "text/html", ""}[how>>1&3]
	pairs := []string{":status", status}
	if contentType != "" {
		pairs = append(pairs, "content-type", contentType)
	}
	good := !p.headed && status != "2x0"
	p.note(good)
	if good && !p.complete {
		p.headed, p.status, p.grpc = true, status, status == "200" && how>>1&3 < 2
	}
	if how>>5&1 != 0 {
		pairs = append(pairs, "grpc-status", "0")
		if good {
			p.code = "0"
		}
	}
	if how>>6&1 != 0 {
		pairs = append(pairs, "content-length", "16")
		if good {
			p.declared = 16
		}
	}
	flags := xhttp2.FlagHeadersEndHeaders
	if how&1 != 0 {
		flags |= xhttp2.FlagHeadersEndStream
		if !p.broken && !p.complete {
			p.finish()
		}
	}
	p.frame(xhttp2.FrameHeaders, flags, p.id, head(pairs...))
}

func (p *play) data(n int, how byte) {
	p.note(p.headed)
	payload := make([]byte, n)
	for i := range payload {
		payload[i] = byte(len(p.body) + i)
	}
	if !p.complete && !p.broken {
		p.body = append(p.body, payload...)
		p.broken = p.declared >= 0 && len(p.body) > p.declared
	}
	flags := xhttp2.Flags(0)
	if how&1 != 0 {
		flags = xhttp2.FlagDataEndStream
		if !p.broken && !p.complete {
			p.finish()
		}
	}
	if how&2 != 0 {
		flags |= xhttp2.FlagDataPadded
		payload = append(append([]byte{3}, payload...), 0, 0, 0)
	}
	p.frame(xhttp2.FrameData, flags, p.id, payload)
}

func (p *play) trailers(how byte) {
	p.note(p.headed && how&8 == 0 && how&16 == 0)
	var pairs []string
	p.raw = p.raw || how&16 != 0 && !p.headed && !p.complete // which makes a head of it
	if how&16 != 0 {
		pairs = append(pairs, ":status", "200")
	}
	code := []string{"0", "14", "16", "00", "x", "", "0", "0"}[how&7]
	if code != "" {
		pairs = append(pairs, "grpc-status", code)
	}
	if how&32 != 0 {
		pairs = append(pairs, "grpc-message", "50%25 of %C3%A9 %zz")
	}
	if how&64 != 0 {
		pairs = append(pairs, "x-a", "b")
	}
	flags := xhttp2.FlagHeadersEndHeaders
	if how&8 == 0 {
		flags |= xhttp2.FlagHeadersEndStream
		if !p.broken && !p.complete {
			if code != "" {
				p.code = code
			}
			p.finish()
		}
	}
	p.frame(xhttp2.FrameHeaders, flags, p.id, head(pairs...))
}

// theatre is an endpoint that answers each call with the play that is on.
type theatre struct {
	on     atomic.Pointer[[]byte]
	ending atomic.Int64 // connections that have ended on this side, and not yet on the other
}

// settle waits until nobody has a connection that has ended: a call that would be sent on one is lost, and rightly.
func (s *theatre) settle(t testing.TB) {
	for deadline := time.Now().Add(5 * time.Second); s.ending.Load() > 0; time.Sleep(20 * time.Microsecond) {
		if time.Now().After(deadline) {
			t.Fatal("the proxy keeps a connection that has ended")
		}
	}
}

// open begins to listen.
func (s *theatre) open(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	serve := func(c net.Conn) {
		defer c.Close()
		r := bufio.NewReader(c)
		if _, err := r.Discard(len(xhttp2.ClientPreface)); err != nil {
			return
		}
		_, _ = c.Write(greeting())
		for {
			kind, flags, id, err := readFrame(r)
			if err != nil {
				return
			}
			if kind != xhttp2.FrameData && kind != xhttp2.FrameHeaders || !flags.Has(xhttp2.FlagDataEndStream) {
				continue
			}
			p := newPlay(*s.on.Load(), id)
			if p.end {
				s.ending.Add(1)
				defer s.ending.Add(-1)
			}
			at := 0
			for _, cut := range append(p.cuts, len(p.b)) {
				if _, err := c.Write(p.b[at:cut]); err != nil {
					return
				}
				at = cut
			}
			if p.end { // its end is read, so that what was written is not lost by a reset of the connection
				_ = c.(*net.TCPConn).CloseWrite()
				_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
				_, _ = io.Copy(io.Discard, r)
				return
			}
		}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

func (p *play) String() string {
	return fmt.Sprintf("%x: headed %v, complete %v, after %v, broken %v, raw %v, reset %v, %s, code %q, %d bytes", p.b, p.headed, p.complete,
		p.after, p.broken, p.raw, p.reset, p.status, p.code, len(p.body))
}
