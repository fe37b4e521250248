package forward

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/ir"
)

func TestBodiesStreamAsTheyCome(t *testing.T) {
	step := make(chan bool)
	b := newBackend(t, func(p *peer, _ int) {
		p.read()
		p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for i := range 3 {
			p.say(fmt.Sprintf("2\r\n#%d\r\n", i))
			select {
			case <-step: // the client has got it
			case <-time.After(patience):
				return
			}
		}
		p.say("0\r\n\r\n")
	})
	r := newRig(t, nil, b.addr())
	c := r.dial()
	c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
	var all strings.Builder
	buf := make([]byte, 4096)
	for i := range 3 {
		for !strings.Contains(all.String(), fmt.Sprintf("#%d", i)) {
			n, err := c.r.Read(buf)
			all.Write(buf[:n])
			if err != nil {
				t.Fatalf("piece %d does not come: %v", i, err)
			}
		}
		step <- true
	}
	r.record()
}

func TestLargeBodiesBothWays(t *testing.T) {
	const size = 8 << 20
	want := strings.Repeat("0123456789abcdef", size/16)
	b := newBackend(t, func(p *peer, _ int) {
		for {
			req, more := p.read()
			if !more {
				return
			}
			p.say(ok(req.body))
		}
	})
	for _, chunked := range []bool{false, true} {
		r := newRig(t, func(p *ir.Policy) { p.MaxBody = 0 }, b.addr())
		c := r.dial()
		go func() {
			if !chunked {
				_, _ = io.WriteString(c, post(want))
				return
			}
			_, _ = io.WriteString(c, "POST /p HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n")
			for i := 0; i < len(want); i += 1 << 16 {
				_, _ = fmt.Fprintf(c, "%x\r\n%s\r\n", 1<<16, want[i:i+1<<16])
			}
			_, _ = io.WriteString(c, "0\r\n\r\n")
		}()
		got := c.receive("POST")
		if got.StatusCode != 200 || got.body != want {
			t.Errorf("chunked %v: got %d with %d bytes, want 200 with %d", chunked, got.StatusCode, len(got.body), len(want))
		}
		rec := r.record()
		if rec.Attempts[0].Bytes != size {
			t.Errorf("%d bytes counted", rec.Attempts[0].Bytes)
		}
		eventually(t, "the connection is kept", func() bool { return r.idle() == 1 })
	}
}

// TestNothingIsPiledUp lets one side send without end while the other does not read: what the proxy takes is
// bounded by its buffers and the kernel's.
func TestNothingIsPiledUp(t *testing.T) {
	const bar = 64 << 20
	piece := strings.Repeat("x", 1<<16)
	stalled := func(w io.Writer) int {
		var n atomic.Int64
		go func() {
			for n.Load() < 4*bar {
				m, err := io.WriteString(w, piece)
				n.Add(int64(m))
				if err != nil {
					return
				}
			}
		}()
		for last := int64(-1); last != n.Load(); time.Sleep(200 * time.Millisecond) {
			last = n.Load()
		}
		return int(n.Load())
	}
	t.Run("a client that does not read", func(t *testing.T) {
		t.Parallel()
		taken := make(chan int, 1)
		b := newBackend(t, func(p *peer, _ int) {
			p.read()
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
			taken <- stalled(p)
		})
		r := newRig(t, nil, b.addr())
		c := r.dial()
		c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		if n := <-taken; n > bar {
			t.Errorf("%d bytes were taken", n)
		}
		c.Close()
		if rec := r.record(); !rec.Gone {
			t.Errorf("record %+v", rec)
		}
	})
	t.Run("an endpoint that does not read", func(t *testing.T) {
		t.Parallel()
		over := make(chan bool)
		b := newBackend(t, func(p *peer, _ int) { p.readHead(); <-over })
		t.Cleanup(func() { close(over) })
		r := newRig(t, func(p *ir.Policy) { p.MaxBody = 0 }, b.addr())
		c := r.dial()
		c.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000000000\r\n\r\n")
		if n := stalled(c); n > bar {
			t.Errorf("%d bytes were taken", n)
		}
		reset(c.Conn.(*net.TCPConn)) // an end would wait behind what was not taken
		if rec := r.record(); !rec.Gone {
			t.Errorf("record %+v", rec)
		}
	})
}
