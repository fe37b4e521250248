package listen

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/http1"
	"github.com/yettproxy/yett/proxy/wire"
)

// drainInBackground drains and returns a function that waits for the result.
func drainInBackground(l *Listener, ctx context.Context, delay time.Duration) func() error {
	done := make(chan error, 1)
	go func() { done <- l.Drain(ctx, delay) }()
	return func() error { return <-done }
}

func TestDrainLetsWorkFinish(t *testing.T) {
	l, s := start(t, nil)
	worker, waiting := dial(t, l), dial(t, l)
	waiting.send("x")
	waiting.receive()
	worker.send("work")
	waitFor(t, "work", func() bool { return s.busy.Load() == 1 })
	result := drainInBackground(l, context.Background(), 0)
	if got := waiting.receive(); got != "" {
		t.Errorf("the waiting connection got %q, want the end", got)
	}
	waitFor(t, "the worker to be alone", func() bool { return l.Stats().Active == 1 })
	s.work <- struct{}{}
	if got := worker.receive(); got != "close" {
		t.Errorf("the worker got %q", got)
	}
	if err := result(); err != nil {
		t.Error(err)
	}
}

func TestDrainAcceptsDuringTheDelay(t *testing.T) {
	l, _ := start(t, nil)
	old := dial(t, l)
	old.send("x")
	old.receive()
	const delay = 300 * time.Millisecond
	begin := time.Now()
	result := drainInBackground(l, context.Background(), delay)
	waitFor(t, "the announcement", l.Draining)
	for _, c := range []*client{dial(t, l), dialTLS(t, l), old} {
		c.send("x")
		if got := c.receive(); got != "close" {
			t.Errorf("got %q, want an answer that announces the end", got)
		}
	}
	if err := result(); err != nil {
		t.Error(err)
	}
	if d := time.Since(begin); d < delay {
		t.Errorf("ended after %v", d)
	}
	plain, _ := l.Addresses()
	if _, err := net.Dial("tcp", plain[0].String()); err == nil {
		t.Errorf("still accepting")
	}
}

func TestDrainIsPatientWithNewAndBusyConnections(t *testing.T) {
	l, s := start(t, nil)
	used, fresh := dial(t, l), dial(t, l)
	used.send("x")
	used.receive()
	<-s.infos
	<-s.infos
	result := drainInBackground(l, context.Background(), 0)
	waitFor(t, "the listeners to close", func() bool { return isClosed(l) })
	for _, c := range []*client{used, fresh} {
		c.send("x") // what was on its way when drain began
		if got := c.receive(); got != "close" {
			t.Errorf("got %q, want an answer", got)
		}
	}
	if err := result(); err != nil {
		t.Error(err)
	}
}

func isClosed(l *Listener) bool {
	select {
	case <-l.stopped:
		return true
	default:
		return false
	}
}

func TestDrainCutsInTheEnd(t *testing.T) {
	l, s := start(t, nil)
	c := dial(t, l)
	c.send("work")
	waitFor(t, "work", func() bool { return s.busy.Load() == 1 })
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := l.Drain(ctx, 0); err == nil || !strings.Contains(err.Error(), "1 requests were cut") {
		t.Errorf("got %v", err)
	}
	if got := c.receive(); got != "" {
		t.Errorf("got %q", got)
	}
	waitFor(t, "the end", func() bool { return l.Stats().Active == 0 })
}

func TestDrainClosesTunnelsOneAfterTheOther(t *testing.T) {
	l, _ := start(t, nil)
	const tunnels = 12
	const whole = 1200 * time.Millisecond
	var group sync.WaitGroup
	var mu sync.Mutex
	var ends []time.Duration
	clients := make([]*client, tunnels)
	for i := range clients {
		clients[i] = dial(t, l)
		clients[i].send("tunnel")
		clients[i].receive()
	}
	begin := time.Now()
	for _, c := range clients {
		group.Go(func() {
			c.receive()
			mu.Lock()
			ends = append(ends, time.Since(begin))
			mu.Unlock()
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), whole)
	defer cancel()
	if err := l.Drain(ctx, 0); err != nil {
		t.Errorf("tunnels were cut, which is no error: %v", err)
	}
	group.Wait()
	first, last := ends[0], ends[len(ends)-1]
	if first < whole*3/4-50*time.Millisecond {
		t.Errorf("the first tunnel was closed after %v of %v", first, whole)
	}
	if last-first < whole/24 { // a sixth of what it should be: a busy machine may sleep over the beginning
		t.Errorf("all tunnels were closed within %v: %v", last-first, ends)
	}
}

func TestDrainWithoutStartAndTwice(t *testing.T) {
	l, err := New(Options{HTTP: []string{"127.0.0.1:0"}, Server: newLineServer()})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.Drain(context.Background(), 0); err != nil {
			t.Error(err)
		}
	}
}

func TestTheContextEndsTheDelay(t *testing.T) {
	l, _ := start(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	begin := time.Now()
	if err := l.Drain(ctx, time.Hour); err != nil {
		t.Error(err)
	}
	if time.Since(begin) > 5*time.Second {
		t.Errorf("took %v", time.Since(begin))
	}
}

// helloHandler answers every request, some of them slowly.
type helloHandler struct{ slow atomic.Int64 }

func (h *helloHandler) ServeExchange(x *filter.Exchange) {
	if h.slow.Add(1)%10 == 0 {
		time.Sleep(2 * time.Millisecond)
	}
	x.ReplyText(200, "text/plain", "hello")
	if x.Stream.WriteHead(&x.Response) != nil {
		x.Stream.Abort()
		return
	}
	if _, err := x.Stream.Write(wire.Bytes(x.Body)); err != nil {
		x.Stream.Abort()
		return
	}
	x.Stream.Finish(nil)
}

// busyClient sends one request after the other until a connection cannot be made, and counts what failed.
func busyClient(addr string, again bool, sent, failed *atomic.Int64, report func(error)) {
	for {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		r := bufio.NewReader(conn)
		for keep := true; keep; {
			if _, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"); err == nil {
				keep, err = readAnswer(r)
			}
			if err != nil {
				failed.Add(1)
				report(err)
				break
			}
			sent.Add(1)
		}
		conn.Close()
		if !again {
			return
		}
	}
}

// readAnswer reads one response, and says whether the connection goes on.
func readAnswer(r *bufio.Reader) (keep bool, err error) {
	keep = true
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return false, err
		}
		if strings.EqualFold(line, "Connection: close\r\n") {
			keep = false
		}
		if line == "\r\n" {
			break
		}
	}
	body := make([]byte, len("hello"))
	if _, err := io.ReadFull(r, body); err != nil || string(body) != "hello" {
		return false, errors.Join(err, errors.New("body "+string(body)))
	}
	return keep, nil
}

// The whole of it with the real engine: clients that never pause lose no request to a drain. Those that
// connect anew whenever they are told to do so until the delay is over; without a delay
// the ones that have a connection finish what they send on it.
func TestDrainLosesNoRequest(t *testing.T) {
	for name, test := range map[string]struct {
		delay time.Duration
		again bool
	}{"with a delay": {300 * time.Millisecond, true}, "at once": {0, false}} {
		t.Run(name, func(t *testing.T) {
			var l *Listener
			engine := &http1.Server{Handler: &helloHandler{}, Draining: func() bool { return l.Draining() }}
			l, err := New(Options{HTTP: []string{"127.0.0.1:0"}, Server: engine})
			if err != nil {
				t.Fatal(err)
			}
			l.Start(t.Context())
			plain, _ := l.Addresses()
			var clients sync.WaitGroup
			var sent, failed atomic.Int64
			for range 8 {
				clients.Go(func() {
					busyClient(plain[0].String(), test.again, &sent, &failed, func(err error) {
						if test.again && isClosed(l) {
							failed.Add(-1) // it was in the listener's queue when that was closed
							return
						}
						t.Errorf("a request failed: %v", err)
					})
				})
			}
			waitFor(t, "load", func() bool { return sent.Load() > 500 })
			if err := l.Drain(context.Background(), test.delay); err != nil {
				t.Error(err)
			}
			clients.Wait()
			if failed.Load() != 0 || sent.Load() < 500 {
				t.Errorf("%d requests, %d failed", sent.Load(), failed.Load())
			}
		})
	}
}
