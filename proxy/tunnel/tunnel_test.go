package tunnel

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/yettproxy/yett/proxy/certtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long anything may take.
const patience = 10 * time.Second

// tcpPair returns two ends of a connection over loopback.
func tcpPair(tb testing.TB) (a, b *net.TCPConn) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { dialed.Close(); accepted.Close() })
	for _, c := range []net.Conn{dialed, accepted} {
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			tb.Fatal(err)
		}
	}
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

// tlsPair returns two ends of a TLS connection over loopback.
func tlsPair(tb testing.TB) (a, b net.Conn) {
	tb.Helper()
	dialed, accepted := tcpPair(tb)
	certificate := certtest.New(tb, "Root").Server("a.test").TLS
	client := tls.Client(dialed, &tls.Config{InsecureSkipVerify: true})
	server := tls.Server(accepted, &tls.Config{Certificates: []tls.Certificate{certificate}})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		tb.Fatal(err)
	}
	if err := <-done; err != nil {
		tb.Fatal(err)
	}
	return client, server
}

// rig is a tunnel between a client and a server.
type rig struct {
	client, server net.Conn
	in, out        atomic.Uint64
	result         chan [2]int64
}

// join joins pairs of connections.
func join(tb testing.TB, idle time.Duration, secure bool) *rig {
	tb.Helper()
	r := &rig{result: make(chan [2]int64, 1)}
	var near, far net.Conn
	if secure {
		r.client, near = tlsPair(tb)
	} else {
		r.client, near = tcpPair(tb)
	}
	far, r.server = tcpPair(tb)
	t := Tunnel{Idle: idle, In: &r.in, Out: &r.out}
	go func() {
		in, out := t.Join(Side{near, []byte("early ")}, Side{far, nil})
		r.result <- [2]int64{in, out}
	}()
	return r
}

// ends returns what the tunnel has counted.
func (r *rig) ends(t *testing.T) (in, out int64) {
	t.Helper()
	select {
	case n := <-r.result:
		if n[0] != int64(r.in.Load()) || n[1] != int64(r.out.Load()) {
			t.Errorf("Join returns %d, the counters say %d and %d", n, r.in.Load(), r.out.Load())
		}
		return n[0], n[1]
	case <-time.After(patience):
		t.Fatal("the tunnel does not end")
	}
	return 0, 0
}

type halfCloser interface{ CloseWrite() error }

func TestBothDirectionsArriveWholeAndEndByThemselves(t *testing.T) {
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			r := join(t, time.Minute, secure)
			large := bytes.Repeat([]byte("0123456789abcdef"), 3<<16) // 3 MiB: a bulk transfer
			send := func(c net.Conn) {
				_, _ = c.Write(large)
				time.Sleep(10 * time.Millisecond) // a pause within a burst
				_, _ = c.Write(large)
				_ = c.(halfCloser).CloseWrite()
			}
			go send(r.client)
			up, err := io.ReadAll(r.server)
			if want := len("early ") + 2*len(large); err != nil || len(up) != want || !bytes.HasPrefix(up, []byte("early 0123")) || !bytes.Equal(up[len(up)-len(large):], large) {
				t.Fatalf("%d bytes went up, %v; want %d", len(up), err, want)
			}
			go send(r.server) // the other direction is still open
			down, err := io.ReadAll(r.client)
			if err != nil || len(down) != 2*len(large) {
				t.Fatalf("%d bytes came down, %v", len(down), err)
			}
			if in, out := r.ends(t); in != int64(len(up)) || out != int64(len(down)) {
				t.Errorf("%d in and %d out", in, out)
			}
		})
	}
}

func TestSmallMessagesGoToAndFro(t *testing.T) {
	for name, secure := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			r := join(t, time.Minute, secure)
			got := make([]byte, 6)
			if _, err := io.ReadFull(r.server, got); err != nil || string(got) != "early " {
				t.Fatal(string(got), err)
			}
			for range 50 {
				pass(t, r.client, r.server)
				pass(t, r.server, r.client)
			}
			r.server.Close()
			if n, err := r.client.Read(got); n != 0 || err == nil {
				t.Errorf("%d bytes after the end, %v", n, err)
			}
			r.client.Close()
			r.ends(t)
		})
	}
}

// pass sends a message.
func pass(tb testing.TB, from, to net.Conn) {
	if _, err := io.WriteString(from, "hello"); err != nil {
		tb.Fatal(err)
	}
	var b [5]byte
	if _, err := io.ReadFull(to, b[:]); err != nil || string(b[:]) != "hello" {
		tb.Fatalf("%q, %v", b, err)
	}
}

func TestSilenceEndsATunnel(t *testing.T) {
	r := join(t, 200*time.Millisecond, false)
	var last time.Time
	for range 5 { // one direction alone keeps both alive
		time.Sleep(80 * time.Millisecond)
		last = time.Now()
		if _, err := io.WriteString(r.client, "x"); err != nil {
			t.Fatal(err)
		}
	}
	if in, _ := r.ends(t); in != int64(len("early xxxxx")) {
		t.Errorf("%d bytes", in)
	}
	if d := time.Since(last); d < 150*time.Millisecond {
		t.Errorf("ended after %s of silence, want 200 ms", d)
	}
}

// TestATunnelWhoseSidesHaveStoppedReadingEnds: no read is waiting in it then, or none is left, and only what limits writes can end it.
func TestATunnelWhoseSidesHaveStoppedReadingEnds(t *testing.T) {
	for name, tt := range map[string]struct{ secure, ended bool }{
		"both, over TCP":                        {},
		"both, over TLS":                        {secure: true},
		"one over TCP, and the other has ended": {ended: true},
		"one over TLS, and the other has ended": {secure: true, ended: true},
	} {
		t.Run(name, func(t *testing.T) { stall(t, tt.secure, tt.ended) })
	}
}

// stall joins two sides of which none reads, and waits for the end of the tunnel. ended says that the client only ends its direction.
func stall(t *testing.T, secure, ended bool) {
	client, near := smallPair(t, secure)
	far, server := smallPair(t, secure)
	// More than all buffers hold, and too little for a bulk transfer, which has more time.
	text := make([]byte, (busyReads-1)*bufferSize)
	send := func(c net.Conn) {
		_, _ = c.Write(text) // is cut
	}
	go send(server)
	if ended {
		if err := client.(halfCloser).CloseWrite(); err != nil {
			t.Fatal(err)
		}
	} else {
		go send(client)
	}
	done := make(chan [2]int64, 1)
	go func() {
		t := Tunnel{Idle: 300 * time.Millisecond}
		in, out := t.Join(Side{Conn: near}, Side{Conn: far})
		done <- [2]int64{in, out}
	}()
	select {
	case n := <-done:
		if n[0] >= int64(len(text)) || n[1] >= int64(len(text)) {
			t.Errorf("%d bytes have passed: the buffers were too large", n)
		}
	case <-time.After(patience / 2):
		t.Error("the tunnel does not end")
	}
}

// smallPair returns two ends of a connection with small buffers.
func smallPair(t *testing.T, secure bool) (a, b net.Conn) {
	if secure {
		a, b = tlsPair(t)
	} else {
		a, b = tcpPair(t)
	}
	for _, c := range []net.Conn{a, b} {
		if over, ok := c.(*tls.Conn); ok {
			c = over.NetConn()
		}
		if tcp := c.(*net.TCPConn); tcp.SetReadBuffer(4<<10) != nil || tcp.SetWriteBuffer(4<<10) != nil {
			t.Fatal("no small buffers")
		}
	}
	return a, b
}

func TestAResetEndsBothSides(t *testing.T) {
	r := join(t, time.Minute, false)
	if err := r.server.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	r.server.Close()
	if _, err := r.client.Read(make([]byte, 1)); err == nil {
		t.Error("the client can go on reading")
	}
	r.client.Close()
	r.ends(t)
}

func BenchmarkMessage(b *testing.B) {
	r := join(b, time.Minute, false)
	_, _ = io.ReadFull(r.server, make([]byte, len("early ")))
	_ = r.client.SetDeadline(time.Time{})
	_ = r.server.SetDeadline(time.Time{})
	for b.Loop() {
		pass(b, r.client, r.server)
		pass(b, r.server, r.client)
	}
	r.client.Close()
	r.server.Close()
	<-r.result
}

func BenchmarkBulk(b *testing.B) {
	r := join(b, time.Minute, false)
	_, _ = io.ReadFull(r.server, make([]byte, len("early ")))
	_ = r.client.SetDeadline(time.Time{})
	_ = r.server.SetDeadline(time.Time{})
	const piece = 1 << 20
	b.SetBytes(piece)
	go func() {
		p := make([]byte, piece)
		for {
			if _, err := r.client.Write(p); err != nil {
				return
			}
		}
	}()
	p := make([]byte, piece)
	for b.Loop() {
		if _, err := io.ReadFull(r.server, p); err != nil {
			b.Fatal(err)
		}
	}
	r.client.Close()
	r.server.Close()
	<-r.result
}
