package stream

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/ir"
)

// serveUDP answers each datagram as often as answers says, with its name, the port it came from and the datagram.
func serveUDP(t *testing.T, name string, answers int) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		b := make([]byte, maxDatagram)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			for range answers {
				_, _ = c.WriteTo(fmt.Appendf(nil, "%s %d %s", name, from.(*net.UDPAddr).Port, b[:n]), from)
			}
		}
	})
	t.Cleanup(func() { c.Close(); group.Wait() })
	return c.LocalAddr().String()
}

// udpClient sends datagrams to a port.
type udpClient struct {
	t *testing.T
	net.Conn
}

func (r *rig) udp(port uint16) udpClient {
	r.t.Helper()
	c, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return udpClient{r.t, c}
}

// ask sends a datagram and returns an answer, "" if none comes.
func (c udpClient) ask(text string) string {
	c.t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		c.t.Fatal(err)
	}
	return c.receive(5 * time.Second)
}

func (c udpClient) receive(limit time.Duration) string {
	_ = c.SetReadDeadline(time.Now().Add(limit))
	b := make([]byte, maxDatagram)
	n, _ := c.Read(b)
	return string(b[:n])
}

// active returns how many sessions there are.
func (r *rig) active() int { ports, _ := r.Stats(); return ports[0].Active }

func TestDatagramsFindTheirWayBack(t *testing.T) {
	r := newRig(t)
	port := freePort(t)
	r.settings.LogFormat = "$remote_addr $protocol $status $bytes_received $bytes_sent $server_addr:$server_port"
	r.publish(udpKey, serveUDP(t, "a", 1))
	r.apply(ir.Stream{Port: port, Upstream: udpKey})
	var group sync.WaitGroup
	for i := range 20 {
		c := r.udp(port)
		group.Go(func() {
			for j := range 20 {
				text := fmt.Sprintf("%d/%d", i, j)
				if got := c.ask(text); !strings.HasSuffix(got, " "+text) {
					t.Errorf("asked %q, got %q", text, got)
				}
			}
		})
	}
	group.Wait()
	until(t, "end of the sessions", func() bool { return r.active() == 0 })
	want := fmt.Sprintf("127.0.0.1 UDP 200 3 11 127.0.0.1:%d\n", port)
	until(t, "log "+want, func() bool { return strings.Contains(r.log.String(), want) })
}

func TestASessionStaysWithItsEndpoint(t *testing.T) {
	r := newRig(t)
	port := freePort(t)
	r.settings.Responses = 100
	r.publish(udpKey, serveUDP(t, "a", 1), serveUDP(t, "b", 1))
	r.apply(ir.Stream{Port: port, Upstream: udpKey})
	c := r.udp(port)
	words := strings.Fields(c.ask("x"))
	for range 10 {
		if got := strings.Fields(c.ask("x")); len(got) < 2 || got[0] != words[0] || got[1] != words[1] {
			t.Fatalf("got %v after %v", got, words)
		}
	}
	if got := r.active(); got != 1 {
		t.Errorf("%d sessions, want 1", got)
	}
}

func TestASessionIsOverWithItsAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		responses, answers, want int
		over                     bool
	}{
		"one answer":                          {1, 1, 1, true},
		"three answers":                       {3, 3, 3, true},
		"more answers than are passed on":     {1, 3, 1, true},
		"fewer answers than are expected":     {3, 1, 1, false},
		"no answer is expected, nor is taken": {0, 1, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			port := freePort(t)
			r.settings.Responses = tt.responses
			r.publish(udpKey, serveUDP(t, "a", tt.answers))
			r.apply(ir.Stream{Port: port, Upstream: udpKey})
			c := r.udp(port)
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			got := 0
			for limit := 5 * time.Second; ; got++ {
				if got == tt.want {
					limit = 100 * time.Millisecond
				}
				if c.receive(limit) == "" {
					break
				}
			}
			if got != tt.want || (r.active() == 0) != tt.over {
				t.Errorf("%d answers, %d sessions left; want %d answers, over %v", got, r.active(), tt.want, tt.over)
			}
		})
	}
}

func TestSilenceEndsASession(t *testing.T) {
	r := newRig(t)
	port := freePort(t)
	r.settings.Idle = 50 * time.Millisecond
	r.publish(udpKey, serveUDP(t, "mute", 0))
	r.apply(ir.Stream{Port: port, Upstream: udpKey})
	c := r.udp(port)
	_, _ = c.Write([]byte("x"))
	until(t, "session", func() bool { ports, _ := r.Stats(); return ports[0].Sessions == 1 })
	until(t, "end of the session", func() bool { return r.active() == 0 })
}

func TestForgedAddressesDoNotFillTheMemory(t *testing.T) {
	r := newRig(t)
	port := freePort(t)
	r.publish(udpKey, serveUDP(t, "mute", 0))
	r.apply(ir.Stream{Port: port, Upstream: udpKey})
	r.mu.Lock()
	p := r.open[portKey{port, true}].(*udpPort)
	p.mu.Lock()
	p.limit = 10
	p.mu.Unlock()
	r.mu.Unlock()
	for range 30 {
		_, _ = r.udp(port).Write([]byte("x"))
	}
	until(t, "30 datagrams", func() bool { ports, _ := r.Stats(); return ports[0].Sessions+ports[0].Dropped == 30 })
	if got := r.active(); got != 10 {
		t.Errorf("%d sessions, want 10", got)
	}
}

func TestAnEndpointThatIsDownCostsOneQuestion(t *testing.T) {
	r := newRig(t)
	port := freePort(t)
	alive := serveUDP(t, "a", 1)
	r.apply(ir.Stream{Port: port, Upstream: udpKey})
	r.publish(udpKey, fmt.Sprintf("127.0.0.1:%d", freePort(t)), alive)
	c := r.udp(port)
	answered := 0
	for range 6 {
		_, _ = c.Write([]byte("x"))
		if c.receive(300*time.Millisecond) != "" {
			answered++
		}
	}
	if answered < 2 || answered == 6 {
		t.Errorf("%d of 6 questions were answered, want about 3: a client that asks again finds the other one", answered)
	}
	until(t, "counter", func() bool { ports, _ := r.Stats(); return int(ports[0].Failed) == 6-answered })
}

func TestDrainWaitsForAnswers(t *testing.T) {
	r := newRig(t)
	port := freePort(t)
	answer := make(chan struct{})
	slow, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	go func() {
		b := make([]byte, 100)
		if _, from, err := slow.ReadFrom(b); err == nil {
			<-answer
			_, _ = slow.WriteTo([]byte("late"), from)
		}
	}()
	r.publish(udpKey, slow.LocalAddr().String())
	r.apply(ir.Stream{Port: port, Upstream: udpKey})
	c := r.udp(port)
	_, _ = c.Write([]byte("x"))
	until(t, "session", func() bool { return r.active() == 1 })
	drained := make(chan error, 1)
	go func() { drained <- r.Drain(context.Background(), 0) }()
	time.AfterFunc(50*time.Millisecond, func() { close(answer) })
	if got := c.receive(4 * time.Second); got != "late" {
		t.Errorf("got %q", got)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}
