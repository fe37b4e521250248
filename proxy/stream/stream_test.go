package stream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/observe"
	"github.com/yettproxy/yett/proxy/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	tcpKey = upstream.Key{Namespace: "db", Service: "redis", Port: "6379"}
	udpKey = upstream.Key{Namespace: "dns", Service: "coredns", Port: "53", UDP: true}
)

// rig is a server with what it depends on.
type rig struct {
	*Server
	t        *testing.T
	registry *upstream.Registry
	settings Settings
	log      *lines
	streams  []ir.Stream
}

// lines collects the log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.text.String() }

// newRig starts a server on loopback.
func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, registry: upstream.NewRegistry(), log: &lines{}, settings: Settings{
		StreamSettings: ir.DefaultSettings().Stream, Drain: 5 * time.Second, Trusted: func(netip.Addr) bool { return true },
	}}
	log := observe.NewAccessLog(r.log, observe.LogOptions{Delay: time.Millisecond})
	r.Server = New(Options{Hosts: []string{"127.0.0.1"}, Registry: r.registry, Log: log, Errors: func(err error) { t.Log(err) }})
	r.Start()
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		if err := r.Drain(ended, 0); err != nil {
			t.Error(err)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// apply applies the streams.
func (r *rig) apply(streams ...ir.Stream) {
	r.t.Helper()
	r.streams = streams
	for _, err := range r.Apply(streams, r.settings) {
		r.t.Fatal(err)
	}
}

// publish says which endpoints an upstream has.
func (r *rig) publish(key upstream.Key, addresses ...string) {
	var specs []upstream.Spec
	for _, a := range addresses {
		specs = append(specs, upstream.Spec{Address: upstream.Address{AddrPort: netip.MustParseAddrPort(a)}})
	}
	r.registry.Upstream(key).Publish(specs)
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// freePort returns a port that is free for TCP and UDP.
func freePort(t *testing.T) uint16 {
	t.Helper()
	for range 20 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
		u, err := net.ListenPacket("udp", l.Addr().String())
		if err == nil {
			u.Close()
			return uint16(l.Addr().(*net.TCPAddr).Port)
		}
	}
	t.Fatal("no port is free")
	return 0
}

// serveTCP serves connections on loopback.
func serveTCP(t *testing.T, serve func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() { defer c.Close(); serve(c.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() { l.Close(); group.Wait() })
	return l.Addr().String()
}

// echoNamed sends its name and then what it reads.
func echoNamed(name string) func(*net.TCPConn) {
	return func(c *net.TCPConn) {
		_, _ = io.WriteString(c, name+"\n")
		_, _ = io.Copy(c, c)
	}
}

// dial connects to a port.
func (r *rig) dial(port uint16) (net.Conn, *bufio.Reader) {
	r.t.Helper()
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(15 * time.Second))
	return c, bufio.NewReader(c)
}

// greeting returns the first line that comes.
func greeting(b *bufio.Reader) string { line, _ := b.ReadString('\n'); return strings.TrimSpace(line) }

func TestConnectionsGoRoundTheEndpoints(t *testing.T) {
	r := newRig(t)
	port := freePort(t)
	r.publish(tcpKey, serveTCP(t, echoNamed("a")), serveTCP(t, echoNamed("b")))
	r.apply(ir.Stream{Port: port, Upstream: tcpKey})
	got := map[string]int{}
	for range 20 {
		c, b := r.dial(port)
		got[greeting(b)]++
		c.Close()
	}
	if got["a"] < 5 || got["b"] < 5 || got["a"]+got["b"] != 20 {
		t.Errorf("20 connections: %v", got)
	}
}

func TestAnEndpointThatIsDownIsPassedOver(t *testing.T) {
	alive := serveTCP(t, echoNamed("alive"))
	dead := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	for name, tt := range map[string]struct {
		retry  bool
		served int
		log    string
	}{
		"with retries":    {true, 10, dead + ", "},
		"without retries": {false, 5, " 502 "},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			port := freePort(t)
			r.settings.Retry, r.settings.LogFormat = tt.retry, "$protocol $status $upstream_addr"
			r.publish(tcpKey, dead, alive)
			r.apply(ir.Stream{Port: port, Upstream: tcpKey})
			served := 0
			for range 10 {
				c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
				if err != nil {
					continue // the reset came before dialing was done
				}
				if greeting(bufio.NewReader(c)) == "alive" {
					served++
				}
				c.Close()
			}
			if tt.retry && served != 10 || !tt.retry && (served == 10 || served == 0) {
				t.Errorf("%d of 10 were served, want about %d", served, tt.served)
			}
			until(t, "log", func() bool { return strings.Contains(r.log.String(), tt.log) })
		})
	}
}

func TestWithoutEndpointsConnectionsAreReset(t *testing.T) {
	r := newRig(t)
	port := freePort(t)
	r.apply(ir.Stream{Port: port, Upstream: tcpKey})
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err == nil {
		defer c.Close()
		_, err = c.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v, want a reset", err)
	}
	until(t, "counter", func() bool { ports, _ := r.Stats(); return ports[0].Failed == 1 })
}

func TestEachDirectionEndsByItself(t *testing.T) {
	r := newRig(t)
	port := freePort(t)
	r.publish(tcpKey, serveTCP(t, func(c *net.TCPConn) {
		all, _ := io.ReadAll(c) // to the end, and only then it answers
		fmt.Fprintf(c, "%d bytes", len(all))
	}))
	r.apply(ir.Stream{Port: port, Upstream: tcpKey})
	c, b := r.dial(port)
	_, _ = io.WriteString(c, strings.Repeat("x", 1000))
	_ = c.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(b); string(got) != "1000 bytes" || err != nil {
		t.Errorf("%q %v", got, err)
	}
}

func TestMuchArrivesAsItWasSent(t *testing.T) {
	r := newRig(t)
	port := freePort(t)
	r.settings.LogFormat = "$bytes_received $bytes_sent"
	r.publish(tcpKey, serveTCP(t, echoNamed("echo")))
	r.apply(ir.Stream{Port: port, Upstream: tcpKey})
	c, b := r.dial(port)
	greeting(b)
	sent := make([]byte, 8<<20)
	for i := range sent {
		sent[i] = byte(i * 7 >> 3)
	}
	go func() {
		for at := 0; at < len(sent); at += 1 << 20 {
			_, _ = c.Write(sent[at : at+1<<20])
			time.Sleep(2 * time.Millisecond) // so that it falls out of the bulk mode and back
		}
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(b)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes of %d came back, %v", len(got), len(sent), err)
	}
	want := fmt.Sprintf("%d %d", len(sent), len(sent)+len("echo\n"))
	until(t, "log "+want, func() bool { return strings.Contains(r.log.String(), want) })
}

func TestSilenceEndsAConnection(t *testing.T) {
	for name, tt := range map[string]struct {
		serve func(*net.TCPConn)
		send  time.Duration // the client sends every so often
		ends  bool
	}{
		"neither side says anything": {func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }, 0, true},
		"the client goes on":         {func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }, 60 * time.Millisecond, false},
		"the client has ended, and the server is silent": {func(c *net.TCPConn) {
			_, _ = io.Copy(io.Discard, c)
			_, _ = c.Read(make([]byte, 1))
			time.Sleep(400 * time.Millisecond)
		}, -1, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			port := freePort(t)
			r.settings.Idle = 200 * time.Millisecond
			r.publish(tcpKey, serveTCP(t, tt.serve))
			r.apply(ir.Stream{Port: port, Upstream: tcpKey})
			c, _ := r.dial(port)
			began := time.Now()
			if tt.send < 0 {
				_ = c.(*net.TCPConn).CloseWrite()
			}
			for tt.send > 0 && time.Since(began) < time.Second {
				time.Sleep(tt.send)
				if _, err := io.WriteString(c, "x"); err != nil {
					t.Fatalf("cut after %s: %v", time.Since(began), err)
				}
			}
			if _, err := c.Read(make([]byte, 1)); tt.ends && (err == nil || time.Since(began) < 150*time.Millisecond) {
				t.Errorf("%v after %s", err, time.Since(began))
			}
		})
	}
}

func TestPortsOpenAndCloseByThemselves(t *testing.T) {
	r := newRig(t)
	one, two := freePort(t), freePort(t)
	other := upstream.Key{Namespace: "db", Service: "other", Port: "1"}
	r.publish(tcpKey, serveTCP(t, echoNamed("a")))
	r.publish(other, serveTCP(t, echoNamed("b")))
	r.apply(ir.Stream{Port: one, Upstream: tcpKey})
	stays, b := r.dial(one)
	greeting(b)
	say := func(text string) {
		t.Helper()
		_, _ = io.WriteString(stays, text+"\n")
		if got := greeting(b); got != text {
			t.Fatalf("the connection that stays: got %q, want %q", got, text)
		}
	}
	r.apply(ir.Stream{Port: one, Upstream: tcpKey}, ir.Stream{Port: two, Upstream: other})
	say("another port was opened")
	if _, b := r.dial(two); greeting(b) != "b" {
		t.Error("the new port does not work")
	}
	r.apply(ir.Stream{Port: one, Upstream: other})
	say("the port leads elsewhere")
	if _, b := r.dial(one); greeting(b) != "b" {
		t.Error("a new connection goes to the old Service")
	}
	until(t, "port closed", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", two))
		closeIt(c)
		return err != nil
	})
	r.apply()
	until(t, "port closed", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", one))
		closeIt(c)
		return err != nil
	})
	say("its port is closed")
}

func closeIt(c net.Conn) {
	if c != nil {
		c.Close()
	}
}

func TestAPortThatIsTakenHarmsNoOther(t *testing.T) {
	r := newRig(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	bad, good := uint16(taken.Addr().(*net.TCPAddr).Port), freePort(t)
	r.publish(tcpKey, serveTCP(t, echoNamed("a")))
	problems := r.Apply([]ir.Stream{{Port: bad, Upstream: tcpKey}, {Port: good, Upstream: tcpKey}}, r.settings)
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), fmt.Sprint(bad)) {
		t.Fatalf("problems %v", problems)
	}
	if _, b := r.dial(good); greeting(b) != "a" {
		t.Error("the other port does not work")
	}
	taken.Close()
	r.bindMissing() // what the timer does
	if _, b := r.dial(bad); greeting(b) != "a" {
		t.Error("the port was not opened when it became free")
	}
}

func TestPROXYHeadersInAndOut(t *testing.T) {
	first := func(c *net.TCPConn) { line, _ := bufio.NewReader(c).ReadString('\n'); _, _ = io.WriteString(c, line) }
	const header = "PROXY TCP4 192.0.2.7 198.51.100.1 700 443"
	for name, tt := range map[string]struct {
		stream ir.Stream
		send   string
		want   func(client, local string) string
	}{
		"sent":            {ir.Stream{SendProxy: true}, "", func(c, l string) string { return proxyLine(c, l) }},
		"taken":           {ir.Stream{AcceptProxy: true}, header + "\r\nhello\n", func(string, string) string { return "hello" }},
		"passed on":       {ir.Stream{AcceptProxy: true, SendProxy: true}, header + "\r\n", func(string, string) string { return header }},
		"missing":         {ir.Stream{AcceptProxy: true}, "hello\n", func(string, string) string { return "" }},
		"not looked into": {ir.Stream{}, header + "\r\n", func(string, string) string { return header }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.publish(tcpKey, serveTCP(t, first))
			tt.stream.Port, tt.stream.Upstream = freePort(t), tcpKey
			r.apply(tt.stream)
			c, b := r.dial(tt.stream.Port)
			_, _ = io.WriteString(c, tt.send)
			if got, want := greeting(b), tt.want(c.LocalAddr().String(), c.RemoteAddr().String()); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// proxyLine is the header for a connection.
func proxyLine(client, local string) string {
	from, to := netip.MustParseAddrPort(client), netip.MustParseAddrPort(local)
	return fmt.Sprintf("PROXY TCP4 %s %s %d %d", from.Addr(), to.Addr(), from.Port(), to.Port())
}

func TestDrainLetsConnectionsFinish(t *testing.T) {
	r := newRig(t)
	port := freePort(t)
	r.publish(tcpKey, serveTCP(t, echoNamed("a")))
	r.apply(ir.Stream{Port: port, Upstream: tcpKey})
	c, b := r.dial(port)
	greeting(b)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	drained := make(chan error, 1)
	go func() { drained <- r.Drain(ctx, 0) }()
	until(t, "port closed", func() bool {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		closeIt(c)
		return err != nil
	})
	_, _ = io.WriteString(c, "still there\n")
	if got := greeting(b); got != "still there" {
		t.Errorf("got %q", got)
	}
	select {
	case err := <-drained:
		t.Errorf("drained with a connection open: %v", err)
	default:
	}
	c.Close()
	if err := <-drained; err != nil {
		t.Error(err)
	}
}
