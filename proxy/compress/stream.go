package compress

import (
	"io"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// Stream encodes the response body that is written to it. Everything else goes straight to the client's stream. Whoever got
// it from Wrap must call Release when the exchange is over.
type Stream struct {
	wire.Stream
	coding  *coding
	encoder encoder
}

// encoder is what the libraries have in common.
type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(io.Writer)
}

// begin changes the head of a response for the coding and returns the stream for its body, or nil if too many responses are
// compressed already.
func (c *coding) begin(x *filter.Exchange) *Stream {
	if c.inUse.Add(1) > c.room {
		c.inUse.Add(-1)
		return nil
	}
	fields := &x.Response.Fields
	fields.Del("Accept-Ranges")
	fields.Del("Content-MD5")
	for i := range fields.Len() {
		// The bytes are not those of the entity tag any more, but what they mean is (RFC 9110 section 8.8.1).
		if f := fields.At(i); f.ID == wire.Other && wire.EqualFold(f.Name, "ETag") && strings.HasPrefix(f.Value, `"`) {
			f.Value = x.Arena.Concat("W/", f.Value)
		}
	}
	fields.Add("Content-Encoding", c.name)
	x.Response.Length, x.Response.HasLength = wire.Unknown, false
	s := c.free.Get().(*Stream)
	s.Stream, s.coding = x.Stream, c
	s.encoder.Reset(x.Stream)
	return s
}

// Write implements wire.Stream.
func (s *Stream) Write(p []byte) (int, error) { return s.encoder.Write(p) }

// Flush implements wire.Stream: the client can decode all that has come so far.
func (s *Stream) Flush() error {
	if err := s.encoder.Flush(); err != nil {
		return err
	}
	return s.Stream.Flush()
}

// Finish implements wire.Stream.
func (s *Stream) Finish(trailers *wire.Fields) error {
	if err := s.encoder.Close(); err != nil {
		s.Abort()
		return err
	}
	return s.Stream.Finish(trailers)
}

// Release gives the encoder back, whether or not the response came to its end. The stream must not be used any more.
func (s *Stream) Release() {
	c := s.coding
	s.encoder.Reset(io.Discard)
	s.Stream, s.coding = nil, nil
	c.free.Put(s)
	c.inUse.Add(-1)
}
