package http2

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	xhttp2 "golang.org/x/net/http2"

	"github.com/yettproxy/yett/e2e/h2raw"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// heads notes the requests of a connection, by stream.
type heads struct {
	mu   sync.Mutex
	seen map[uint32][]wire.Field
}

func (h *heads) ServeExchange(x *filter.Exchange) {
	h.mu.Lock()
	h.seen[x.Stream.(*stream).id] = append(cloneFields(x.Request.Fields.All()), wire.Field{Name: ":method", Value: x.Request.Method})
	h.mu.Unlock()
	x.ReplyText(200, "text/plain", "ok")
	write(x)
}

// FuzzHeads sends two heads of any bytes on a connection, each cut in two. A decoder that shares nothing with ours says what they mean:
// what it cannot read must end the connection, and what reaches the handler must be what it has read.
func FuzzHeads(f *testing.F) {
	e := h2raw.NewEncoder()
	lines := h2raw.Fields(":method: GET", ":scheme: http", ":path: /a", ":authority: a.test", "x-a: b", "cookie: c=d", "cookie: e=f")
	first := e.Block(lines...)
	f.Add(first, e.Block(lines...), uint16(3))
	e.Huffman = true
	f.Add(e.Resize(nil, 0), e.Block(lines...), uint16(0))
	f.Add(append(e.Resize(nil, 4096), e.Block(lines...)...), []byte{0x3f, 0xe2, 0x1f}, uint16(900))
	f.Add([]byte{0x80}, []byte{0x40, 0x05, 'a'}, uint16(1))
	f.Add([]byte{0x00, 0x01, 'a', 0x84, 0xff, 0xff, 0xff, 0xff}, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, uint16(2))
	f.Fuzz(func(t *testing.T, first, second []byte, cut uint16) {
		if len(first) > 8<<10 || len(second) > 8<<10 {
			return // beyond the limits, which are tested elsewhere
		}
		in := []byte(xhttp2.ClientPreface)
		in = h2raw.SettingsFrame().Append(in)
		d, want := h2raw.NewDecoder(), map[uint32][]h2raw.Field{}
		unreadable := false
		for i, block := range [][]byte{first, second} {
			id := uint32(2*i + 1)
			n := min(int(cut), len(block))
			head := h2raw.HeadersFrame(id, true, block[:n])
			head.Flags &^= h2raw.EndHeaders
			in = head.Append(in)
			in = h2raw.Frame{Type: h2raw.Continuation, Flags: h2raw.EndHeaders, Stream: id, Payload: block[n:]}.Append(in)
			if !unreadable {
				fields, err := d.Decode(block)
				if errors.Is(err, h2raw.ErrHuffman) {
					return // of a head that is refused already, strings that nobody remembers are not looked at
				}
				unreadable = err != nil
				want[id] = fields
			}
		}
		h := &heads{seen: map[uint32][]wire.Field{}}
		s := &script{in: bytes.NewReader(in)}
		srv := Server{Handler: h, Limits: func() *wire.Limits {
			l := wire.DefaultLimits()
			l.WriteTimeout, l.FieldCount, l.HeadBytes = 0, 1<<20, 1<<24
			return &l
		}}
		srv.Serve(t.Context(), s, &filter.Conn{})
		srv.Shutdown()
		if got := lastGoAway(t, s); unreadable != (got == xhttp2.ErrCodeCompression) {
			t.Errorf("the connection ended with %v; the decoder that knows nothing of it could read it: %v", got, !unreadable)
		}
		for id, fields := range h.seen {
			for _, f := range fields {
				if f.ID == wire.Cookie || f.ID == wire.Host {
					continue // joined, or added
				}
				if find(want[id], f) < 0 {
					t.Errorf("stream %d: the handler saw %q: %q, which was not sent: %v", id, f.Name, f.Value, want[id])
				}
			}
		}
	})
}

// find returns where a field is in a list, or -1.
func find(list []h2raw.Field, f wire.Field) int {
	for i := range list {
		if list[i].Name == f.Name && (list[i].Value == f.Value || f.Name == ":method") {
			return i
		}
	}
	return -1
}

// lastGoAway returns how a connection ended.
func lastGoAway(t *testing.T, s *script) xhttp2.ErrCode {
	back := xhttp2.NewFramer(nil, &s.out)
	code := xhttp2.ErrCodeNo
	for {
		f, err := back.ReadFrame()
		if g, ok := f.(*xhttp2.GoAwayFrame); ok {
			code = g.ErrCode
		}
		if err != nil {
			var bad xhttp2.ConnectionError
			if errors.As(err, &bad) {
				t.Errorf("what came back is no frame: %v", err)
			}
			return code
		}
	}
}
