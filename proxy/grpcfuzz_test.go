package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

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
		{13, 0, 0, 48, 4}, {0, 0, 2, 3, 0, 9, 9, 0, 0, 1, 0, 0, 0, 0, 0, 1}, {9, 3, 1, 2, 3},
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

func (o *outcome) String() string {
	return fmt.Sprintf("%s %s, code %q, %d bytes, done %v, reset %v", o.status, o.contentType, o.code, len(o.body), o.done, o.reset)
}
