package http2

import (
	"bytes"
	"io"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/yettproxy/yett/proxy/wire"
)

// FuzzClientFrames lets an upstream answer two requests with anything. What is taken for a response must be one, and nothing
// may be held beyond the windows.
func FuzzClientFrames(f *testing.F) {
	seed := func(write func(u *frames)) {
		var b bytes.Buffer
		u := &frames{Framer: xhttp2.NewFramer(&b, nil)}
		u.AllowIllegalWrites = true
		u.hp = newHPACK(u)
		u.WriteSettings()
		write(u)
		f.Add(b.Bytes())
	}
	seed(func(u *frames) {
		u.headers(1, false, ":status", "200", "content-length", "2")
		u.WriteData(1, true, []byte("ok"))
		u.headers(3, true, ":status", "204")
	})
	seed(func(u *frames) {
		u.headers(1, false, ":status", "103")
		u.headers(1, false, ":status", "200")
		u.WriteDataPadded(1, false, []byte("hello"), make([]byte, 9))
		u.headers(1, true, "grpc-status", "0")
		u.WriteRSTStream(3, 7)
	})
	seed(func(u *frames) {
		u.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1, BlockFragment: u.block(":status", "200")})
		u.WriteContinuation(1, true, u.block("a", "b"))
		u.WriteWindowUpdate(0, 5)
		u.WriteWindowUpdate(1, 1<<31-1)
		u.WritePing(false, [8]byte{1})
		u.WriteGoAway(1, 0, nil)
	})
	f.Fuzz(func(t *testing.T, frames []byte) {
		in, out := io.Pipe()
		defer in.Close()
		c := NewClientConn(&pipe{script: script{}, from: in})
		defer c.fail(io.EOF)
		var streams []*ClientStream
		if len(frames) < headerSize || frames[3] != byte(frameSettings) {
			return
		}
		go func() { _, _ = out.Write(appendHeader(nil, 0, frameSettings, 0, 0)) }()
		if c.Greet(t.Context()) != nil {
			t.Fatal("not greeted")
		}
		for range 2 {
			if !c.Reserve() {
				t.Fatal("no place")
			}
			s := c.Stream()
			_ = s.WriteRequest(call("GET", "/", 0))
			if err := s.FinishWithRead(nil); err != nil {
				t.Fatal(err)
			}
			streams = append(streams, s)
		}
		go func() {
			_, _ = out.Write(frames)
			out.Close()
		}()
		for _, s := range streams {
			var r wire.Response
			err := s.ReadResponse(&r, nil, "GET", clientHead)
			if err == nil && (r.Status < 100 || r.Status > 999 || r.Status == 101) {
				t.Errorf("status %d", r.Status)
			}
			for _, field := range r.Fields.All() {
				if !wire.IsToken(field.Name) || !wire.ValidValue(field.Value) || field.ID == wire.TransferEncoding || field.ID == wire.Connection {
					t.Errorf("field %q: %q", field.Name, field.Value)
				}
			}
			if err == nil && r.Status >= 200 {
				var to sink
				if n, err, _ := s.CopyBody(&to); err == nil && r.Length >= 0 && !r.HasLength && r.Status != 304 && n != r.Length && r.Status != 204 {
					t.Errorf("%d bytes of %d", n, r.Length)
				}
			}
			s.Release()
		}
	})
}

// pipe is a connection that reads what the test writes, and drops what is written to it.
type pipe struct {
	script
	from *io.PipeReader
}

func (p *pipe) Read(b []byte) (int, error)       { return p.from.Read(b) }
func (p *pipe) Write(b []byte) (int, error)      { return len(b), nil }
func (p *pipe) Close() error                     { return p.from.Close() }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// newHPACK returns an encoder into the buffer of u.
func newHPACK(u *frames) *hpack.Encoder { return hpack.NewEncoder(&u.enc) }
