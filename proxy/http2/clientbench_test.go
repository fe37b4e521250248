package http2

import (
	"io"
	"net"
	"testing"

	"github.com/yettproxy/yett/proxy/wire"
)

// grpcReply is what a server of gRPC answers a small call with: head, message, trailers.
func grpcReply(b []byte, id uint32) []byte {
	b = append(appendHeader(b, 1+2+17, frameHeaders, flagEndHeaders, id), 0x88, 0x0f, 0x10, 16)
	b = append(b, "application/grpc"...)
	b = append(appendHeader(b, 10, frameData, 0, id), "\x00\x00\x00\x00\x05hello"...)
	b = append(appendHeader(b, 2+11+2, frameHeaders, flagEndHeaders|flagEndStream, id), 0, 11)
	return append(append(b, "grpc-status"...), 1, '0')
}

// answering is an upstream that answers every request with grpcReply, without allocating.
func answering(tb testing.TB) *ClientConn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		in := make([]byte, 64<<10)
		out := make([]byte, 0, 64<<10)
		if _, err := io.ReadFull(nc, in[:len(preface)]); err != nil {
			return
		}
		_, _ = nc.Write(appendWindowUpdate(appendHeader(nil, 0, frameSettings, 0, 0), 0, 1<<30))
		for have := 0; ; {
			n, err := nc.Read(in[have:])
			if err != nil {
				return
			}
			have += n
			out = out[:0]
			at := 0
			for have-at >= headerSize {
				h := in[at:have]
				size := headerSize + int(h[0])<<16 + int(h[1])<<8 + int(h[2])
				if len(h) < size {
					break
				}
				if h[4]&flagEndStream != 0 && frameType(h[3]) == frameData {
					out = grpcReply(out, uint32(h[5])<<24|uint32(h[6])<<16|uint32(h[7])<<8|uint32(h[8]))
				}
				at += size
			}
			have = copy(in, in[at:have])
			if _, err := nc.Write(out); err != nil {
				return
			}
		}
	}()
	return greeted(tb, l.Addr().String())
}

// unary returns a function that makes a small call of gRPC.
func unary(tb testing.TB, c *ClientConn) func() {
	request := call("POST", "/grpc.testing.TestService/UnaryCall", wire.Unknown, "Content-Type", "application/grpc", "TE", "trailers", "User-Agent", "grpc-go/1.85.0")
	message := []byte("\x00\x00\x00\x00\x05hello")
	var r wire.Response
	to := new(sink)
	return func() {
		if !c.Reserve() {
			tb.Fatal("no place")
		}
		s := c.Stream()
		s.SetReadTimeout(patience)
		_ = s.WriteRequest(request)
		if err := s.FinishWithRead(message); err != nil {
			tb.Fatal(err)
		}
		if err := s.ReadResponse(&r, nil, "POST", 1000); err != nil || r.Status != 200 {
			tb.Fatal(r.Status, err)
		}
		to.Reset()
		if n, err, _ := s.CopyBody(to); n != 10 || err != nil || s.Trailers().Len() != 1 {
			tb.Fatal(n, err)
		}
		s.Release()
		r.Reset()
	}
}

func TestCallsCostAtMostTwoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("sync.Pool drops things at random under the race detector")
	}
	call := unary(t, answering(t))
	for range 50 {
		call()
	}
	// Two strings of HPACK that no table holds, name and value of grpc-status: servers that use the table cost none.
	if allocs := testing.AllocsPerRun(500, call); allocs > 2 {
		t.Errorf("%.2f allocations a call, want at most 2", allocs)
	} else {
		t.Logf("%.2f allocations a call", allocs)
	}
}

func BenchmarkClientCall(b *testing.B) {
	call := unary(b, answering(b))
	b.ReportAllocs()
	for b.Loop() {
		call()
	}
}
