package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/yettproxy/yett/proxy/ir"
)

// frame appends a frame of HTTP/2.
func frame(b []byte, kind xhttp2.FrameType, flags xhttp2.Flags, id uint32, payload []byte) []byte {
	b = append(b, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), byte(kind), byte(flags))
	return append(binary.BigEndian.AppendUint32(b, id), payload...)
}

// readFrame reads a frame of HTTP/2 whose payload is of no interest. It allocates nothing.
func readFrame(r *bufio.Reader) (kind xhttp2.FrameType, flags xhttp2.Flags, id uint32, err error) {
	h, err := r.Peek(9)
	if err != nil {
		return 0, 0, 0, err
	}
	kind, flags, id = xhttp2.FrameType(h[3]), xhttp2.Flags(h[4]), binary.BigEndian.Uint32(h[5:])
	_, err = r.Discard(9 + (int(h[0])<<16 | int(h[1])<<8 | int(h[2])))
	return kind, flags, id, err
}

// head returns fields in HPACK, none of which enters a table: the same bytes are good for each head.
func head(pairs ...string) []byte {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	enc.SetMaxDynamicTableSize(0)
	b.Reset()
	for i := 0; i < len(pairs); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return b.Bytes()
}

// greeting is SETTINGS, and a window that does not close while the test runs.
func greeting() []byte {
	b := frame(nil, xhttp2.FrameSettings, 0, 0, nil)
	return frame(b, xhttp2.FrameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, 1<<30))
}

// rawCallee answers each call with the same message and allocates nothing while it does.
func rawCallee(t testing.TB) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	first, last := head(":status", "200", "content-type", "application/grpc"), head("grpc-status", "0", "grpc-message", "")
	message := []byte("\x00\x00\x00\x00\x05hello")
	serve := func(c net.Conn) {
		defer c.Close()
		r := bufio.NewReader(c)
		out := greeting()
		if _, err := r.Discard(len(xhttp2.ClientPreface)); err != nil {
			return
		}
		for {
			if _, err := c.Write(out); err != nil {
				return
			}
			out = out[:0]
			for len(out) == 0 {
				kind, flags, id, err := readFrame(r)
				if err != nil {
					return
				}
				if (kind == xhttp2.FrameData || kind == xhttp2.FrameHeaders) && flags.Has(xhttp2.FlagDataEndStream) {
					out = frame(out, xhttp2.FrameHeaders, xhttp2.FlagHeadersEndHeaders, id, first)
					out = frame(out, xhttp2.FrameData, 0, id, message)
					out = frame(out, xhttp2.FrameHeaders, xhttp2.FlagHeadersEndHeaders|xhttp2.FlagHeadersEndStream, id, last)
				}
				if kind == xhttp2.FrameSettings && !flags.Has(xhttp2.FlagSettingsAck) {
					out = frame(out, xhttp2.FrameSettings, xhttp2.FlagSettingsAck, 0, nil)
				}
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

// TestACallAllocatesLittle counts every allocation of the process while calls of gRPC go through the whole proxy: HTTP/2 from
// a client, filters, metrics, access log, a shared connection to an endpoint, and back.
func TestACallAllocatesLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes sync.Pool forget, and so allocates")
	}
	_, addr := gate(t, rawCallee(t), func(p *ir.Policy) { p.Protocol = ir.GRPC })
	for _, size := range []int{10, 4000} {
		t.Run(fmt.Sprintf("messages of %d bytes", size), func(t *testing.T) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			r := bufio.NewReader(c)
			request := head(":method", "POST", ":scheme", "http", ":path", "/grpc.testing.TestService/UnaryCall", ":authority", "a.test",
				"content-type", "application/grpc", "user-agent", "grpc-go/1.76.0", "te", "trailers", "grpc-timeout", "20S")
			message := binary.BigEndian.AppendUint32([]byte{0}, uint32(size))
			message = append(message, make([]byte, size)...)
			if _, err := io.WriteString(c, xhttp2.ClientPreface+string(greeting())); err != nil {
				t.Fatal(err)
			}
			id, out, complete := uint32(1), []byte(nil), 0
			ask := func() {
				out = frame(out[:0], xhttp2.FrameHeaders, xhttp2.FlagHeadersEndHeaders, id, request)
				out = frame(out, xhttp2.FrameData, xhttp2.FlagDataEndStream, id, message)
				if _, err := c.Write(out); err != nil {
					t.Fatal(err)
				}
				for data := false; ; {
					kind, flags, of, err := readFrame(r)
					if err != nil {
						t.Fatal(err)
					}
					data = data || kind == xhttp2.FrameData && of == id
					if kind == xhttp2.FrameHeaders && flags.Has(xhttp2.FlagHeadersEndStream) {
						if data {
							complete++
						}
						break
					}
				}
				id += 2
			}
			for range 200 {
				ask()
			}
			best := allocations(ask)
			if t.Logf("%.4f allocations a call", best); best > 2 {
				t.Errorf("%.3f allocations a call, want at most 2", best)
			}
			if n := int(id-1) / 2; complete != n {
				t.Errorf("%d of %d calls were answered by the endpoint", complete, n)
			}
		})
	}
}
