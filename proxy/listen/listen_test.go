package listen

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/yettproxy/yett/proxy/filter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines is a server that answers each line with the same line, and holds "wait" until released.
type lines struct {
	release chan struct{}
	mu      sync.Mutex
	infos   []*filter.Conn
}

func (s *lines) Serve(_ context.Context, c net.Conn, info *filter.Conn) {
	defer c.Close()
	s.mu.Lock()
	s.infos = append(s.infos, info)
	s.mu.Unlock()
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil || !info.Watch.Active() {
			return
		}
		if line == "wait\n" {
			<-s.release
		}
		if _, err := io.WriteString(c, line); err != nil || !info.Watch.Idle() {
			return
		}
	}
}

// listener starts one on loopback.
func listener(t *testing.T, s ConnServer, edit func(*Options)) *Listener {
	t.Helper()
	o := Options{HTTP: []string{"127.0.0.1:0"}, Server: s}
	if edit != nil {
		edit(&o)
	}
	l, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	l.Start(t.Context())
	return l
}

// dial connects and returns a function that sends a line and returns the answer.
func dial(t *testing.T, a net.Addr) (net.Conn, func(string) (string, error)) {
	t.Helper()
	c, err := net.Dial("tcp", a.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	r := bufio.NewReader(c)
	return c, func(line string) (string, error) {
		_ = c.SetDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.WriteString(c, line); err != nil {
			return "", err
		}
		return r.ReadString('\n')
	}
}

func TestDrainClosesWhoWaitsAndLetsWhoWorksFinish(t *testing.T) {
	s := &lines{release: make(chan struct{})}
	l := listener(t, s, nil)
	plain, _ := l.Addresses()
	waiting, sayWaiting := dial(t, plain[0])
	if got, err := sayWaiting("hello\n"); got != "hello\n" {
		t.Fatal(got, err)
	}
	_, sayWorking := dial(t, plain[0])
	answer := make(chan string)
	go func() {
		got, _ := sayWorking("wait\n")
		answer <- got
	}()
	for l.Stats().Active != 2 || l.Stats().Waiting != 1 || l.Stats().Writing != 1 {
		time.Sleep(time.Millisecond)
	}
	drained := make(chan error)
	go func() { drained <- l.Drain(t.Context(), 50*time.Millisecond) }()
	for !l.Draining() {
		time.Sleep(time.Millisecond)
	}
	if _, say := dial(t, plain[0]); true {
		if got, err := say("during grace\n"); got != "during grace\n" {
			t.Errorf("during the grace period: %q %v", got, err)
		}
	}
	_ = waiting.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := waiting.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("connection that waits: %d %v, want EOF", n, err)
	}
	if _, err := net.Dial("tcp", plain[0].String()); err == nil {
		t.Error("still accepting after the grace period")
	}
	select {
	case <-drained:
		t.Fatal("drained before the request was answered")
	default:
	}
	close(s.release)
	if got := <-answer; got != "wait\n" {
		t.Errorf("request under way: %q", got)
	}
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestDrainCutsWhatIsLeftAtTheEnd(t *testing.T) {
	s := &lines{release: make(chan struct{})}
	l := listener(t, s, nil)
	plain, _ := l.Addresses()
	_, say := dial(t, plain[0])
	go func() {
		_, _ = say("wait\n")
		close(s.release) // cut: let the server see it
	}()
	for l.Stats().Writing != 1 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := l.Drain(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
}

func TestConnectionsBeyondTheLimitAreClosed(t *testing.T) {
	s := &lines{}
	l := listener(t, s, func(o *Options) { o.MaxConnections = 1 })
	plain, _ := l.Addresses()
	_, first := dial(t, plain[0])
	if got, err := first("a\n"); got != "a\n" {
		t.Fatal(got, err)
	}
	_, second := dial(t, plain[0])
	if got, err := second("b\n"); err == nil {
		t.Errorf("beyond the limit: %q", got)
	}
	if st := l.Stats(); st.Accepted != 2 || st.Handled != 1 {
		t.Errorf("stats %+v", st)
	}
	if err := l.Drain(t.Context(), 0); err != nil {
		t.Error(err)
	}
}

func TestPlainHTTPOnTheHTTPSPortGetsNginxsAnswer(t *testing.T) {
	s := &lines{}
	l := listener(t, s, func(o *Options) {
		o.HTTP, o.HTTPS = nil, []string{"127.0.0.1:0"}
		o.TLS = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("none") }}
	})
	_, secure := l.Addresses()
	_, say := dial(t, secure[0])
	if got, _ := say("GET / HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Errorf("got %q, want 400", got)
	}
	if st := l.Stats(); st.HandshakeErrors != 1 {
		t.Errorf("stats %+v, want a failed handshake", st)
	}
	if err := l.Drain(t.Context(), 0); err != nil {
		t.Error(err)
	}
}

func TestHandshakeHasATimeLimit(t *testing.T) {
	l := listener(t, &lines{}, func(o *Options) {
		o.HTTP, o.HTTPS, o.HandshakeTimeout = nil, []string{"127.0.0.1:0"}, 50*time.Millisecond
		o.TLS = &tls.Config{}
	})
	_, secure := l.Addresses()
	c, _ := dial(t, secure[0])
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := c.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("silent client: %d %v, want EOF", n, err)
	}
	if err := l.Drain(t.Context(), 0); err != nil {
		t.Error(err)
	}
}
