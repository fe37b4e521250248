package e2e

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/h2raw"
)

// sendTimeout is how long the gate waits for a client that takes nothing (nginx's send_timeout, which ingress-nginx leaves at its default).
const sendTimeout = 60 * time.Second

// askLarge asks for the large page and returns what the response is read from.
func askLarge(t testing.TB, x *target, way string) net.Conn {
	addr, config := x.gate.HTTPS, &tls.Config{InsecureSkipVerify: true, ServerName: "a.test"}
	switch way {
	case "h2":
		c := h2raw.Dial(t, addr, config).Greet(h2raw.Setting{ID: h2raw.InitialWindowSize, Value: 1<<31 - 1})
		c.Send(h2raw.Window(0, 1<<31-1-65535))
		c.Request(1, true, lines("GET", "/large")...)
		return c.Conn()
	case "cleartext":
		addr = x.gate.HTTP
	}
	nc, err := net.DialTimeout("tcp", addr, h2raw.Wait)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if way == "TLS" {
		nc = tls.Client(nc, config)
	}
	if _, err := io.WriteString(nc, "GET /large HTTP/1.1\r\nHost: a.test\r\n\r\n"); err != nil {
		t.Error(err)
	}
	return nc
}

// TestSlowReaders has clients ask for much and take nothing of it, or a little now and then. The gate holds a bounded piece of each response; at full
// length those who take nothing are cut off by the send time-out, and those who take a little are not.
func TestSlowReaders(t *testing.T) {
	x := newTarget(t)
	x.large = most(1<<30, 64<<20)
	n := most(100, 20)
	for _, way := range []string{"cleartext", "TLS", "h2"} {
		for _, tt := range []struct {
			name  string
			every time.Duration // 0 for nothing
		}{{"nothing", 0}, {"a little", 20 * time.Millisecond}} {
			t.Run(fmt.Sprintf("%s, takes %s", way, tt.name), func(t *testing.T) {
				x.t = t
				r := x.under(func(stop <-chan struct{}, r *report) {
					var mu sync.Mutex
					var all sync.WaitGroup
					for range n {
						all.Go(func() {
							end := readSlowly(askLarge(t, x, way), tt.every, stop)
							mu.Lock()
							r.ends[end]++
							mu.Unlock()
						})
					}
					all.Wait()
				})
				want := "goes on"
				if fullFloods() && tt.every == 0 {
					want = "cut off"
				}
				if r.ends[want] != n {
					t.Errorf("connections: %v, want all %s", r.ends, want)
				}
				if each := r.grown / int64(n); each > 2<<20 {
					t.Errorf("%d KiB a connection, want at most 2 MiB", each>>10)
				}
			})
		}
	}
}

// readSlowly takes a kilobyte now and then until it is told to stop, and then all that comes, up to a point. It returns how that ends. Who takes nothing at full length
// waits for the send time-out first.
func readSlowly(c net.Conn, every time.Duration, stop <-chan struct{}) string {
	defer c.Close()
	_ = c.SetReadDeadline(time.Time{}) // that of the handshake
	total, buf := 0, make([]byte, 64<<10)
	tick := time.NewTicker(max(every, time.Millisecond))
	defer tick.Stop()
	for stopped := false; !stopped; {
		select {
		case <-stop:
			stopped = true
		case <-tick.C:
			if every == 0 {
				continue
			}
			n, err := c.Read(buf[:1<<10])
			if total += n; err != nil {
				return fmt.Sprintf("ends with %v", err)
			}
		}
	}
	if every == 0 && fullFloods() {
		time.Sleep(sendTimeout / 4) // the attack has lasted as long as the time-out
	}
	enough := total + most(16<<20, 1<<20) // at full length more than what is on its way when a connection is cut off
	for total < enough {
		_ = c.SetReadDeadline(time.Now().Add(h2raw.Wait))
		n, err := c.Read(buf)
		if total += n; errors.Is(err, os.ErrDeadlineExceeded) {
			return "is stuck"
		} else if err != nil {
			return "cut off"
		}
	}
	return "goes on"
}
