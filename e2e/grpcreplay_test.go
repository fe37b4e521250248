package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// rawCallee is an upstream of gRPC on two addresses that takes calls and does with them what it is told, frame by frame. The
// first call that has come as a whole since the last reset is for the script; all others are answered as they should be.
type rawCallee struct {
	port   int
	script atomic.Pointer[func(c *rawConn, id uint32)]
	begun  atomic.Int64 // calls whose head has come
	whole  atomic.Int64 // calls that have come as a whole
	sizes  sync.Map     // of the bodies of those, in the order of whole

	mu sync.Mutex
	by map[string]bool // the addresses that were asked
}

// rawConn is a connection from the gate.
type rawConn struct {
	net.Conn
	*xhttp2.Framer
	enc   *hpack.Encoder
	block bytes.Buffer
}

// head sends HEADERS.
func (c *rawConn) head(id uint32, end bool, pairs ...string) {
	c.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		_ = c.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	_ = c.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: c.block.Bytes(), EndHeaders: true, EndStream: end})
}

// answer sends an empty message.
func (c *rawConn) answer(id uint32) {
	c.head(id, false, ":status", "200", "content-type", "application/grpc")
	_ = c.WriteData(id, false, make([]byte, 5))
	c.head(id, true, "grpc-status", "0")
}

// startRawCallee starts one.
func startRawCallee(t *testing.T) *rawCallee {
	t.Helper()
	r := &rawCallee{}
	var first net.Listener
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(r.port))
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		second, err := net.Listen("tcp", "127.0.0.2:"+strconv.Itoa(port))
		if err != nil {
			l.Close()
			continue
		}
		r.port, first = port, l
		for _, l := range []net.Listener{first, second} {
			t.Cleanup(func() { l.Close() })
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go r.serve(c)
				}
			}()
		}
		return r
	}
	t.Fatal("no port is free on both addresses")
	return nil
}

// reset says what becomes of the next call.
func (r *rawCallee) reset(script func(c *rawConn, id uint32)) {
	r.mu.Lock()
	r.by = map[string]bool{}
	r.mu.Unlock()
	r.begun.Store(0)
	r.whole.Store(0)
	r.script.Store(&script)
}

// serve speaks HTTP/2 on a connection until it breaks.
func (r *rawCallee) serve(nc net.Conn) {
	defer nc.Close()
	preface := make([]byte, len(xhttp2.ClientPreface))
	if _, err := io.ReadFull(nc, preface); err != nil {
		return
	}
	c := &rawConn{Conn: nc, Framer: xhttp2.NewFramer(nc, nc)}
	c.enc = hpack.NewEncoder(&c.block)
	_ = c.WriteSettings()
	sizes := map[uint32]int{}
	for {
		f, err := c.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *xhttp2.SettingsFrame:
			if !f.IsAck() {
				_ = c.WriteSettingsAck()
			}
			continue
		case *xhttp2.PingFrame:
			_ = c.WritePing(true, f.Data)
			continue
		case *xhttp2.HeadersFrame:
			if _, more := sizes[f.StreamID]; !more {
				r.begun.Add(1)
				r.mu.Lock()
				r.by[nc.LocalAddr().String()] = true
				r.mu.Unlock()
				sizes[f.StreamID] = 0
			}
		case *xhttp2.DataFrame:
			n := len(f.Data())
			sizes[f.StreamID] += n
			if n > 0 {
				_ = c.WriteWindowUpdate(0, uint32(n))
				_ = c.WriteWindowUpdate(f.StreamID, uint32(n))
			}
		default:
			continue
		}
		if !f.Header().Flags.Has(xhttp2.FlagDataEndStream) { // the same bit in HEADERS and DATA
			continue
		}
		id := f.Header().StreamID
		n := r.whole.Add(1)
		r.sizes.Store(n, sizes[id])
		if n == 1 {
			(*r.script.Load())(c, id)
		} else {
			c.answer(id)
		}
	}
}

// message returns a request that is n bytes long on the wire.
func message(t *testing.T, n int) *pb.SimpleRequest {
	t.Helper()
	for size := max(n-20, 0); size <= n; size++ {
		if r := (&pb.SimpleRequest{Payload: body(size)}); 5+proto.Size(r) == n {
			return r
		}
	}
	t.Fatalf("no request is %d bytes long", n)
	return nil
}

// TestGRPCReplay has an endpoint refuse a call, or lose it, when all of it has come. What was refused goes to another endpoint if all
// of it is still there, which is up to 16 KiB; what was lost may have been done, and goes to nobody.
func TestGRPCReplay(t *testing.T) {
	const kept = 16 << 10
	refusals := map[string]func(c *rawConn, id uint32){
		"REFUSED_STREAM": func(c *rawConn, id uint32) { _ = c.WriteRSTStream(id, xhttp2.ErrCodeRefusedStream) },
		"GOAWAY":         func(c *rawConn, id uint32) { _ = c.WriteGoAway(id-1, xhttp2.ErrCodeNo, nil) },
		"GOAWAY and the end": func(c *rawConn, id uint32) {
			_ = c.WriteGoAway(id-1, xhttp2.ErrCodeNo, nil)
			c.Close()
		},
	}
	losses := map[string]struct {
		lose func(c *rawConn, id uint32)
		want string
	}{
		"INTERNAL_ERROR":       {func(c *rawConn, id uint32) { _ = c.WriteRSTStream(id, xhttp2.ErrCodeInternal) }, "Unavailable: 502 Bad Gateway: "},
		"CANCEL":               {func(c *rawConn, id uint32) { _ = c.WriteRSTStream(id, xhttp2.ErrCodeCancel) }, "Unavailable: 502 Bad Gateway: "},
		"ENHANCE_YOUR_CALM":    {func(c *rawConn, id uint32) { _ = c.WriteRSTStream(id, xhttp2.ErrCodeEnhanceYourCalm) }, "Unavailable: 502 Bad Gateway: "},
		"the end":              {func(c *rawConn, _ uint32) { c.Close() }, "Unavailable: 502 Bad Gateway: "},
		"GOAWAY that names it": {func(c *rawConn, id uint32) { _ = c.WriteGoAway(id, xhttp2.ErrCodeNo, nil); c.Close() }, "Unavailable: 502 Bad Gateway: "},
		"rubbish":              {func(c *rawConn, _ uint32) { _, _ = c.Write([]byte("HTTP/1.1 500 no\r\n\r\n")) }, "Unavailable: 502 Bad Gateway: "},
		"a head and the end": {func(c *rawConn, id uint32) {
			c.head(id, false, ":status", "200", "content-type", "application/grpc")
			c.Close()
		}, "Unavailable: "},
		"half a message, a reset": {func(c *rawConn, id uint32) {
			c.head(id, false, ":status", "200", "content-type", "application/grpc")
			_ = c.WriteData(id, false, []byte{0, 0, 0, 0, 9, 1})
			_ = c.WriteRSTStream(id, xhttp2.ErrCodeInternal)
		}, "Internal: "},
	}
	s := newStage(t)
	server := startRawCallee(t)
	s.settings = []string{"ssl-redirect: false"}
	s.add(endpoints("pods", server.port, "127.0.0.1", "127.0.0.2"),
		ing{name: "pods", host: "pods.test", paths: []string{"/ Prefix pods"}, notes: []string{"backend-protocol: GRPC"}}.String(),
		ing{name: "again", host: "again.test", paths: []string{"/ Prefix pods"},
			notes: []string{"backend-protocol: GRPC", "proxy-next-upstream: error timeout non_idempotent"}}.String())
	s.start()
	c := pb.NewTestServiceClient(dialGate(t, s, "pods.test", true))
	again := pb.NewTestServiceClient(dialGate(t, s, "again.test", false))
	call := func(t *testing.T, c pb.TestServiceClient, size int, script func(c *rawConn, id uint32)) error {
		server.reset(script)
		begin := time.Now()
		_, err := c.UnaryCall(soon(t), message(t, size))
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		return err
	}
	wantBegun := func(t *testing.T, n int64, size int) {
		t.Helper()
		server.mu.Lock()
		defer server.mu.Unlock()
		if begun, by := server.begun.Load(), len(server.by); begun != n || int64(by) != n {
			t.Errorf("%d endpoints were asked %d times, want %d", by, begun, n)
		}
		for i := int64(1); i <= n; i++ {
			if got, ok := server.sizes.Load(i); !ok || got != size {
				t.Errorf("endpoint %d got %v bytes, want %d", i, got, size)
			}
		}
	}
	for name, refuse := range refusals {
		for _, size := range []int{7, 100, kept - 1, kept} {
			t.Run(fmt.Sprintf("%s of %d bytes", name, size), func(t *testing.T) {
				if err := call(t, c, size, refuse); err != nil {
					t.Error(err)
				}
				wantBegun(t, 2, size)
			})
		}
		for _, size := range []int{kept + 1, 60_000} {
			t.Run(fmt.Sprintf("%s of %d bytes", name, size), func(t *testing.T) {
				if err := call(t, c, size, refuse); status.Code(err) != codes.Unavailable {
					t.Error(err)
				}
				wantBegun(t, 1, size)
			})
		}
	}
	for name, tt := range losses {
		t.Run("lost by "+name, func(t *testing.T) {
			if err := call(t, c, 100, tt.lose); !strings.HasPrefix(told(err), tt.want) {
				t.Errorf("ends with %q, want %q", told(err), tt.want)
			}
			wantBegun(t, 1, 100)
		})
	}
	for _, name := range []string{"INTERNAL_ERROR", "the end"} {
		t.Run("whoever asks for it has calls repeated, "+name, func(t *testing.T) {
			if err := call(t, again, 100, losses[name].lose); err != nil {
				t.Error(err)
			}
			wantBegun(t, 2, 100)
		})
	}
}
