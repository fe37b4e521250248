package e2e

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/h2raw"
)

// most returns how many connections an attack has: all of them at full length.
func most(full, short int) int {
	if fullFloods() {
		return full
	}
	return short
}

// TestBombsAndStalledStreams are S-F4 and S-F5: heads of many references to one entry of the table, and responses of 1 GiB (64 MiB when
// short) that nobody takes, on 100 streams of each connection.
func TestBombsAndStalledStreams(t *testing.T) {
	x := newTarget(t)
	x.large = most(1<<30, 64<<20)
	// bomb is a head whose last field is repeated by references of one byte, to a seed that the first of them enters in the table.
	bomb := func(seed h2raw.Field, n int) func(c *h2raw.Conn, id uint32) {
		return func(c *h2raw.Conn, id uint32) {
			block := c.Enc.Block(append(h2raw.Fields(lines("GET", "/large")...), seed)...)
			one := c.Enc.Block(seed)
			for range n {
				block = append(block, one...)
			}
			head := h2raw.HeadersFrame(id, true, block[:min(len(block), 16000)])
			if len(block) <= 16000 {
				c.Send(head)
				return
			}
			head.Flags &^= h2raw.EndHeaders
			c.Send(head, h2raw.Frame{Type: h2raw.Continuation, Flags: h2raw.EndHeaders, Stream: id, Payload: block[16000:]})
		}
	}
	value := strings.Repeat("v", 3000)
	for name, send := range map[string]func(c *h2raw.Conn, id uint32){
		"S-F4 15000 references":              bomb(h2raw.Field{Name: "x-a", Value: value}, 15_000),
		"S-F4 90 references":                 bomb(h2raw.Field{Name: "x-a", Value: ""}, 90),
		"S-F4 15000 cookie crumbs":           bomb(h2raw.Field{Name: "cookie", Value: value}, 15_000),
		"S-F4 700 cookie crumbs":             bomb(h2raw.Field{Name: "cookie", Value: "a"}, 700),
		"S-F5 stalled responses of a window": bomb(h2raw.Field{Name: "x-a", Value: "b"}, 0),
	} {
		for way, dial := range x.ways() {
			t.Run(way+" "+name, func(t *testing.T) {
				x.t = t
				n := most(50, 10)
				r := x.under(func(stop <-chan struct{}, r *report) {
					var all sync.WaitGroup
					for range n {
						all.Go(func() {
							c := dial(t)
							defer c.Conn().Close()
							window := uint32(0)
							if strings.HasPrefix(name, "S-F5") {
								window = 65535
							}
							c.Stingy = true
							c.Greet(h2raw.Setting{ID: h2raw.InitialWindowSize, Value: window})
							for i := range 100 {
								send(c, uint32(2*i+1))
							}
							c.Send(h2raw.PingFrame(0, "all sent"))
							if !c.Until(func() bool { return c.Pongs == 1 }) {
								t.Errorf("the connection ended with %s", c.End())
							}
							<-stop
						})
					}
					all.Wait()
				})
				// Resident memory also has what the garbage collector leaves for later, which with few connections weighs as much
				// as they do: a miss is told, and one and a half times the bar fails.
				const bar = 2 << 20
				switch each := r.grown / int64(n); {
				case each > bar*3/2:
					t.Errorf("%d KiB a connection, want at most 2 MiB", each>>10)
				case each > bar:
					t.Logf("MISSED: %d KiB a connection, the bar is 2 MiB", each>>10)
				}
			})
		}
	}
}

// resetOfOne is how RST_STREAM on stream 1 begins: the connection may live on, with others.
const resetOfOne = "\x00\x00\x04\x03\x00\x00\x00\x00\x01"

// slowly writes something now and then, until the other side has enough or the time is over. It returns how long that took.
func slowly(c net.Conn, text string, every, limit time.Duration) time.Duration {
	begin := time.Now()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 1000)
		for {
			_ = c.SetReadDeadline(begin.Add(limit))
			n, err := c.Read(buf)
			if err != nil || strings.Contains(string(buf[:n]), resetOfOne) {
				return
			}
		}
	}()
	for {
		select {
		case <-ended:
			return time.Since(begin)
		case <-time.After(every):
			_, _ = c.Write([]byte(text))
		}
	}
}

// TestSlowloris is S-F7 and S-F8: clients that say a byte now and then, or nothing.
func TestSlowloris(t *testing.T) {
	const timeout, limit = 2 * time.Second, 20 * time.Second
	x := newTarget(t, "client-header-timeout: 2", "client-body-timeout: 2")
	tcp := func(addr string) net.Conn {
		c, err := net.DialTimeout("tcp", addr, limit)
		if err != nil {
			t.Error(err)
		}
		return c
	}
	h2 := func(frames ...h2raw.Frame) net.Conn {
		c := h2raw.Dial(t, x.gate.HTTP, nil).Greet()
		c.Send(frames...)
		return c.Conn()
	}
	post := func() []byte {
		return h2raw.NewEncoder().Block(h2raw.Fields(lines("POST", "/", "content-length: 100000")...)...)
	}
	piece := string(h2raw.DataFrame(1, false, []byte("x")).Append(nil))
	for _, tt := range []struct {
		name string
		n    int
		dial func() net.Conn
		text string
		by   time.Duration // how long a connection may live
	}{
		{"S-F7 HTTP/1.1 head", most(5000, 200), func() net.Conn {
			c := tcp(x.gate.HTTP)
			fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: a.test\r\nX-A: ")
			return c
		}, "x", 2 * timeout},
		{"S-F7 HTTP/1.1 body", most(500, 100), func() net.Conn {
			c := tcp(x.gate.HTTP)
			fmt.Fprint(c, "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000\r\n\r\n")
			return c
		}, "x", 3 * timeout},
		{"S-F7 HTTP/2 head", most(5000, 200), func() net.Conn {
			head := h2raw.HeadersFrame(1, false, post())
			head.Flags = 0
			return h2(head)
		}, "\x00", 2 * timeout},
		{"S-F7 HTTP/2 body", most(500, 100), func() net.Conn { return h2(h2raw.HeadersFrame(1, false, post())) }, piece, 3 * timeout},
		{"S-F8 no ClientHello", most(5000, 300), func() net.Conn { return tcp(x.gate.HTTPS) }, "", 15 * time.Second},
		{"S-F8 half a ClientHello", most(5000, 300), func() net.Conn {
			c := tcp(x.gate.HTTPS)
			_, _ = c.Write([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))
			return c
		}, "\x01", 15 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.by > 10*time.Second && !fullFloods() && testing.Short() {
				t.Skip("takes as long as a handshake may")
			}
			x.t = t
			x.memory = max(memoryBar, int64(tt.n)*(32<<10)) // what does for a few dozen attackers does not for 5000
			once := func() (end string) {
				c := tt.dial()
				if c == nil {
					return "not connected"
				}
				defer c.Close()
				text, every := tt.text, 200*time.Millisecond
				if text == "" {
					text, every = "\x16", time.Hour
				}
				if slowly(c, text, every, limit) > tt.by {
					return "late"
				}
				return "cut"
			}
			r := x.under(func(stop <-chan struct{}, r *report) {
				var mu sync.Mutex
				var all sync.WaitGroup
				for i := range tt.n {
					all.Go(func() {
						// They come one after the other, within a second, and at full length again when they are cut.
						time.Sleep(time.Duration(i) * time.Second / time.Duration(tt.n))
						for over := false; !over; {
							end := once()
							mu.Lock()
							r.ends[end]++
							mu.Unlock()
							select {
							case <-stop:
								over = true
							default:
								over = !fullFloods()
							}
						}
					})
				}
				all.Wait()
			})
			if r.ends["late"] > 0 {
				t.Errorf("%d connections lived longer than %v", r.ends["late"], tt.by)
			}
		})
	}
}
