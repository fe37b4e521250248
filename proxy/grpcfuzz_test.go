package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
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
			p.note(next() > 0)
			p.frame(xhttp2.FrameWindowUpdate, 0, id, []byte{0, 0, 1, 0})
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

// outcome is what a client of gRPC was told.
type outcome struct {
	status, contentType, code string
	body                      []byte
	heads                     int // final heads and trailers
	done, reset               bool
}

// rawCaller is a client of gRPC that looks at every frame.
type rawCaller struct {
	address string
	nc      net.Conn
	framer  *xhttp2.Framer
	id      uint32
}

// dial connects anew.
func (c *rawCaller) dial() error {
	if c.nc != nil {
		c.nc.Close()
	}
	nc, err := net.Dial("tcp", c.address)
	if err != nil {
		return err
	}
	c.nc, c.id = nc, 1
	c.framer = xhttp2.NewFramer(nc, bufio.NewReader(nc))
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err = io.WriteString(nc, xhttp2.ClientPreface+string(greeting()))
	return err
}

// call makes a call and takes what comes. An error is a fault of the proxy's, and so is a frame out of place.
func (c *rawCaller) call(request []byte) (o outcome, err error) {
	if c.nc == nil || c.id > 500 {
		if err := c.dial(); err != nil {
			return o, err
		}
	}
	id := c.id
	c.id += 2
	b := frame(nil, xhttp2.FrameHeaders, xhttp2.FlagHeadersEndHeaders, id, request)
	b = frame(b, xhttp2.FrameData, xhttp2.FlagDataEndStream, id, []byte("\x00\x00\x00\x00\x02hi"))
	_ = c.nc.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.nc.Write(b); err != nil {
		return o, err
	}
	for !o.done && !o.reset {
		f, err := c.framer.ReadFrame()
		if err != nil {
			return o, fmt.Errorf("%+v, then %w", o, err)
		}
		if kind := f.Header().Type; f.Header().StreamID != id && (kind == xhttp2.FrameHeaders || kind == xhttp2.FrameData) {
			return o, fmt.Errorf("%v after the end of its stream", f)
		}
		switch f := f.(type) {
		case *xhttp2.MetaHeadersFrame:
			if status := f.PseudoValue("status"); status != "" && status < "200" {
				continue
			} else if o.heads++; (status == "") != (o.heads > 1) || o.heads == 2 && !f.StreamEnded() || o.heads > 2 {
				return o, fmt.Errorf("%v out of place", f)
			} else if status != "" {
				o.status = status
			}
			for _, field := range f.RegularFields() {
				switch field.Name {
				case "grpc-status":
					o.code = field.Value
				case "content-type":
					o.contentType = field.Value
				}
			}
			o.done = f.StreamEnded()
		case *xhttp2.DataFrame:
			if o.heads != 1 {
				return o, fmt.Errorf("%v out of place", f)
			}
			o.body = append(o.body, f.Data()...)
			o.done = f.StreamEnded()
		case *xhttp2.RSTStreamFrame:
			o.reset = o.reset || f.StreamID == id
		case *xhttp2.GoAwayFrame:
			return o, fmt.Errorf("the connection ends: %v", f)
		}
	}
	return o, nil
}

// judge says what is wrong with what a client was told of a play, "" if nothing is.
func judge(p *play, o *outcome) string {
	whole := p.complete && o.done && o.status == p.status && bytes.Equal(o.body, p.body)
	code := p.code
	if code == "" && p.grpc {
		code = "2" // the proxy's, for want of one
	}
	own := whole && o.code == code
	failed := o.done && o.code != "" && o.code != "0" // by the proxy
	switch {
	case own:
		return ""
	case p.complete && !p.after:
		return "the response was complete and has become another"
	case p.raw:
		return "" // whatever the bytes said: frames were looked at
	case o.code == "0" && o.done:
		return "a success that the endpoint has not told"
	case failed:
		return ""
	case o.reset && (p.reset || !p.grpc || p.after):
		return ""
	}
	return "neither complete nor ended with a status"
}

// FuzzGRPCResponses has an endpoint answer calls with frames of all kinds, cut anywhere, and looks at what a client of gRPC is told: the
// endpoint's own words as a whole, or a status of the proxy's; never a success that is not complete, and never nothing.
func FuzzGRPCResponses(f *testing.F) {
	for _, seed := range [][]byte{
		{0, 0, 2, 3, 0, 4, 0},               // head, data, trailers
		{0, 0, 10, 2, 3, 0, 10, 10, 4, 1},   // cut, with another status
		{0, 1 | 1<<5},                       // a head alone, with a status
		{0, 1}, {0, 0, 2, 3, 1}, {0, 0, 15}, // no status
		{0, 0, 2, 3, 0, 8}, {0, 0, 8}, {8}, // ends too early
		{0, 0, 2, 3, 0, 6, 2}, {6, 7}, {6, 8}, // resets, one a refusal
		{0, 0, 2, 3, 0, 7, 0, 0, 4, 0}, {7, 1, 0}, {7, 2, 0, 0, 0, 4, 0},
		{0, 16, 2, 3, 1}, {0, 4, 2, 3, 0, 8}, {0, 24}, // HTML, and no status of HTTP
		{0, 64, 2, 2, 0, 4, 0}, {0, 64, 2, 3, 0, 4, 0}, {0, 64, 2, 1, 0, 4, 0}, // with a length, too long, too short
		{0, 0, 4, 8}, {0, 0, 4, 16}, {0, 0, 4, 5}, {0, 0, 4, 0x60}, {4, 0}, {2, 1, 0},
		{11, 11, 0, 0, 12, 13, 1, 14, 5, 2, 255, 2, 3, 7, 3, 4, 0},
		{0, 0, 2, 3, 0, 9, 9, 0, 0, 1, 0, 0, 0, 0, 0, 1}, {9, 3, 1, 2, 3},
		{0, 0, 4, 0, 2, 1, 0}, {0, 0, 4, 0, 6, 2}, {0, 0, 4, 0, 7, 2, 1},
	} {
		f.Add(seed)
	}
	var endpoint theatre
	_, address := callGate(f, nil, endpoint.open(f))
	c := &rawCaller{address: address}
	request := head(":method", "POST", ":scheme", "http", ":path", "/x.Y/Z", ":authority", "a.test", "content-type", "application/grpc", "te", "trailers")
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 100 { // more of the same, and more than a window
			return
		}
		endpoint.on.Store(&in)
		o, err := c.call(request)
		endpoint.settle(t)
		p := newPlay(in, 1)
		if err != nil {
			c.nc = nil
			t.Fatalf("%v; the play was %s", err, p)
		}
		if wrong := judge(p, &o); wrong != "" {
			t.Errorf("%s: %s, the play was %s", wrong, &o, p)
		}
	})
}

func (p *play) String() string {
	return fmt.Sprintf("%x: headed %v, complete %v, after %v, broken %v, raw %v, reset %v, %s, code %q, %d bytes", p.b, p.headed, p.complete,
		p.after, p.broken, p.raw, p.reset, p.status, p.code, len(p.body))
}

func (o *outcome) String() string {
	return fmt.Sprintf("%s %s, code %q, %d bytes, done %v, reset %v", o.status, o.contentType, o.code, len(o.body), o.done, o.reset)
}
