package listen

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/yettproxy/yett/proxy/certs"
	"github.com/yettproxy/yett/proxy/filter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lineServer answers every line with another. It tells the watcher what it does, as an engine would.
// The line "tunnel" makes the connection a tunnel, "panic" panics, "work" waits until the test lets it go on.
type lineServer struct {
	l     *Listener
	infos chan *filter.Conn
	work  chan struct{}
	// busy counts the connections that work.
	busy atomic.Int32
}

func newLineServer() *lineServer {
	return &lineServer{infos: make(chan *filter.Conn, 100), work: make(chan struct{})}
}

func (s *lineServer) Serve(ctx context.Context, conn net.Conn, info *filter.Conn) {
	s.infos <- info
	r := bufio.NewReader(conn)
	for info.Watch.Idle() {
		if _, err := r.Peek(1); err != nil || !info.Watch.Active() {
			return
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		switch line {
		case "panic\n":
			panic("asked for")
		case "tunnel\n":
			info.Watch.Tunnel()
			io.WriteString(conn, "tunnel\n")
			io.Copy(io.Discard, r)
			return
		case "work\n":
			s.busy.Add(1)
			select {
			case <-s.work:
			case <-ctx.Done():
				return
			}
			s.busy.Add(-1)
		}
		answer := "keep\n"
		if s.l.Draining() {
			answer = "close\n"
		}
		if _, err := io.WriteString(conn, answer); err != nil || answer == "close\n" {
			return
		}
	}
}

// start makes a listener of one http and one https address that a lineServer serves.
func start(t *testing.T, change func(*Options)) (*Listener, *lineServer) {
	t.Helper()
	store, err := certs.NewStore(certs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := newLineServer()
	o := Options{HTTP: []string{"127.0.0.1:0"}, HTTPS: []string{"127.0.0.1:0"}, TLS: store.ServerConfig(), Server: s}
	if change != nil {
		change(&o)
	}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.l = l
	l.Start(t.Context())
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		l.Drain(ended, 0)
	})
	return l, s
}

// client is a connection on which lines are exchanged.
type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, l *Listener) *client {
	t.Helper()
	plain, _ := l.Addresses()
	conn, err := net.Dial("tcp", plain[0].String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &client{t, conn, bufio.NewReader(conn)}
}

func dialTLS(t *testing.T, l *Listener) *client {
	t.Helper()
	_, https := l.Addresses()
	conn, err := tls.Dial("tcp", https[0].String(), &tls.Config{InsecureSkipVerify: true, ServerName: "a.test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) send(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// receive returns the next line, "" at the end of the connection.
func (c *client) receive() string {
	line, _ := c.r.ReadString('\n')
	return strings.TrimSuffix(line, "\n")
}

// waitFor waits until a condition holds.
func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestConnectionsAreDescribed(t *testing.T) {
	l, s := start(t, nil)
	c := dial(t, l)
	info := <-s.infos
	if info.Peer.String() != c.LocalAddr().String() || info.Local.String() != c.RemoteAddr().String() {
		t.Errorf("peer %v, local %v", info.Peer, info.Local)
	}
	if info.HTTPS || info.TLS != nil || info.Serial == 0 || info.Raw == nil {
		t.Errorf("got %+v", info)
	}
	c = dialTLS(t, l)
	second := <-s.infos
	if second.Peer.String() != c.LocalAddr().String() || !second.HTTPS || second.TLS == nil || second.TLS.ServerName != "a.test" || second.Serial == info.Serial {
		t.Errorf("got %+v", second)
	}
	c.send("x")
	if got := c.receive(); got != "keep" {
		t.Errorf("got %q", got)
	}
}

func TestAddressesOfBothFamilies(t *testing.T) {
	s := newLineServer()
	l, err := New(Options{HTTP: []string{":0"}, Server: s})
	if err != nil {
		t.Fatal(err)
	}
	s.l = l
	l.Start(t.Context())
	defer l.Drain(context.Background(), 0)
	plain, _ := l.Addresses()
	_, port, _ := net.SplitHostPort(plain[0].String())
	for _, host := range []string{"127.0.0.1", "::1"} {
		conn, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err != nil {
			if host == "::1" {
				t.Logf("no IPv6 here: %v", err)
				continue
			}
			t.Fatal(err)
		}
		if info := <-s.infos; info.Peer.Addr().String() != host {
			t.Errorf("peer %v, want %s", info.Peer, host)
		}
		conn.Close()
	}
}

func TestAnAddressThatIsTaken(t *testing.T) {
	l, _ := start(t, nil)
	plain, _ := l.Addresses()
	_, err := New(Options{HTTP: []string{"127.0.0.1:0", plain[0].String()}, Server: newLineServer()})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), plain[0].String()) {
		t.Errorf("got %v", err)
	}
	if _, err := New(Options{HTTPS: []string{"127.0.0.1:0"}}); err == nil {
		t.Errorf("https without certificates was accepted")
	}
}

func TestASilentClientIsDropped(t *testing.T) {
	l, _ := start(t, func(o *Options) { o.HandshakeTimeout = 20 * time.Millisecond })
	_, https := l.Addresses()
	conn, err := net.Dial("tcp", https[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	waitFor(t, "the handshake", func() bool { return l.Stats().Reading == 1 })
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v, want the end", err)
	}
	waitFor(t, "the counters", func() bool { s := l.Stats(); return s.Active == 0 && s.HandshakeErrors == 1 })
	// The time limit is that of the handshake alone.
	c := dialTLS(t, l)
	time.Sleep(40 * time.Millisecond)
	c.send("x")
	if got := c.receive(); got != "keep" {
		t.Errorf("got %q", got)
	}
}

func TestPlainHTTPToTheHTTPSPort(t *testing.T) {
	l, _ := start(t, nil)
	_, https := l.Addresses()
	for _, body := range []int{0, 20_000} {
		resp, err := http.Post("http://"+https[0].String()+"/", "text/plain", strings.NewReader(strings.Repeat("x", body)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 400 || string(text) != plainPage || !resp.Close {
			t.Errorf("%d, %v: %s", resp.StatusCode, err, text)
		}
	}
	conn, err := net.Dial("tcp", https[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "\x00\x01garbage that is neither")
	if text, _ := io.ReadAll(conn); strings.Contains(string(text), "HTTP") {
		t.Errorf("garbage was answered with %q", text)
	}
}

func TestConnectionLimit(t *testing.T) {
	l, s := start(t, func(o *Options) { o.MaxConnections = 2 })
	one, two := dial(t, l), dial(t, l)
	<-s.infos
	<-s.infos
	if got := dial(t, l).receive(); got != "" {
		t.Errorf("got %q, want the end", got)
	}
	one.Close()
	waitFor(t, "room", func() bool { return l.Stats().Active == 1 })
	three := dial(t, l)
	for _, c := range []*client{two, three} {
		c.send("x")
		if got := c.receive(); got != "keep" {
			t.Errorf("got %q", got)
		}
	}
	if s := l.Stats(); s.Accepted != 4 || s.Handled != 3 {
		t.Errorf("got %+v", s)
	}
}

func TestStats(t *testing.T) {
	l, s := start(t, nil)
	one, two := dial(t, l), dial(t, l)
	dial(t, l)
	_, https := l.Addresses()
	conn, err := net.Dial("tcp", https[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	one.send("x")
	one.receive()
	two.send("work")
	waitFor(t, "work", func() bool { return s.busy.Load() == 1 })
	waitFor(t, "the counters", func() bool {
		return l.Stats() == Stats{Accepted: 4, Handled: 4, Requests: 2, Active: 4, Reading: 1, Writing: 1, Waiting: 2}
	})
	s.work <- struct{}{}
	two.receive()
	one.Close()
	two.Close()
	conn.Close()
	waitFor(t, "the counters", func() bool {
		return l.Stats() == Stats{Accepted: 4, Handled: 4, Requests: 2, Active: 1, Waiting: 1, HandshakeErrors: 1}
	})
}

func TestAPanicEndsOneConnectionOnly(t *testing.T) {
	problems := make(chan error, 1)
	l, _ := start(t, func(o *Options) { o.Errors = func(err error) { problems <- err } })
	bad, good := dial(t, l), dial(t, l)
	bad.send("panic")
	if got := bad.receive(); got != "" {
		t.Errorf("got %q", got)
	}
	if err := <-problems; !strings.Contains(err.Error(), "asked for") || !strings.Contains(err.Error(), "lineServer") {
		t.Errorf("reported %v", err)
	}
	good.send("x")
	if got := good.receive(); got != "keep" {
		t.Errorf("got %q", got)
	}
}

// failing is a listener that cannot accept for a while: to run this process out of file descriptors would
// hit the other tests.
type failing struct {
	net.Listener
	errs chan error
}

func (f *failing) Accept() (net.Conn, error) {
	select {
	case err := <-f.errs:
		return nil, err
	default:
		return f.Listener.Accept()
	}
}

func TestAcceptSurvivesErrors(t *testing.T) {
	var mu sync.Mutex
	var reported []error
	s := newLineServer()
	l, err := New(Options{HTTP: []string{"127.0.0.1:0"}, Server: s, Errors: func(err error) { mu.Lock(); reported = append(reported, err); mu.Unlock() }})
	if err != nil {
		t.Fatal(err)
	}
	s.l = l
	f := &failing{l.plain[0], make(chan error, 10)}
	for _, e := range []error{syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.EMFILE} {
		f.errs <- &net.OpError{Op: "accept", Err: e}
	}
	l.plain[0] = f
	begin := time.Now()
	l.Start(t.Context())
	c := dial(t, l)
	c.send("x")
	if got := c.receive(); got != "keep" {
		t.Errorf("got %q", got)
	}
	if d := time.Since(begin); d < 3*firstPause {
		t.Errorf("served after %v: it did not pause", d)
	}
	mu.Lock()
	if len(reported) != 1 || !errors.Is(reported[0], syscall.EMFILE) {
		t.Errorf("reported %v, want the first of a series", reported)
	}
	mu.Unlock()
	c.Close()
	if err := l.Drain(context.Background(), 0); err != nil {
		t.Error(err)
	}
}

func TestAFloodOfConnections(t *testing.T) {
	l, s := start(t, nil)
	go func() {
		for range s.infos {
		}
	}()
	defer close(s.infos)
	plain, _ := l.Addresses()
	var group sync.WaitGroup
	var bad atomic.Int32
	for range 8 {
		group.Go(func() {
			for range 50 {
				conn, err := net.Dial("tcp", plain[0].String())
				if err != nil {
					bad.Add(1)
					continue
				}
				fmt.Fprintln(conn, "x")
				if line, _ := bufio.NewReader(conn).ReadString('\n'); line != "keep\n" {
					bad.Add(1)
				}
				conn.Close()
			}
		})
	}
	group.Go(func() {
		for range 50 {
			l.Stats()
		}
	})
	group.Wait()
	waitFor(t, "the end of all", func() bool { s := l.Stats(); return s.Active == 0 && s.Requests == 400 && s.Handled == 400 })
	if bad.Load() != 0 {
		t.Errorf("%d connections failed", bad.Load())
	}
}
