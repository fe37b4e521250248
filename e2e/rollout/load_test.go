package rollout

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// late is how long an answer may take from the moment its request was due. The short form runs beside other tests, on
// machines that may stand still for longer than any bar.
func late() time.Duration { return length(3*time.Second, time.Second) }

// load sends requests at a fixed rate until it is stopped, whatever the answers do. Its client is written by hand:
// net/http's repeats requests by itself when a connection has closed, which would hide what is looked for here.
type load struct {
	target func() string // where the next new connection goes
	tls    *tls.Config   // nil for plain HTTP
	host   string
	rate   int
	check  func(status int, body string) error // nil accepts 200
	post   bool                                // every fourth request is a POST
	fresh  bool                                // every request has a connection of its own

	mu     sync.Mutex
	idle   []*link
	sent   int
	failed []string
	took   []time.Duration
	slept  time.Duration // how long, at most, this program itself was held up
	stop   context.CancelFunc
	done   sync.WaitGroup
}

// link is one client connection.
type link struct {
	net.Conn
	r    *bufio.Reader
	used time.Time
}

// start begins; the test's end stops it at the latest.
func (l *load) start(t *testing.T) *load {
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	t.Cleanup(func() { l.finish() })
	l.done.Add(1)
	go l.run(ctx)
	return l
}

// run sends until the context ends.
func (l *load) run(ctx context.Context) {
	defer l.done.Done()
	begin, interval := time.Now(), time.Second/time.Duration(l.rate)
	for i := 0; ; i++ {
		due := begin.Add(time.Duration(i) * interval)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(due)):
		}
		held := time.Since(due)
		l.mu.Lock()
		l.slept = max(l.slept, held)
		l.mu.Unlock()
		l.done.Add(1)
		go func() {
			defer l.done.Done()
			err := l.one(i)
			took := time.Since(due)
			if err == nil && took > late() {
				err = fmt.Errorf("late: %s", took.Round(time.Millisecond))
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.sent++
			l.took = append(l.took, took)
			if err != nil {
				l.failed = append(l.failed, time.Now().Format("05.000 ")+err.Error())
			}
		}()
	}
}

// one sends one request and reads its answer.
func (l *load) one(i int) error {
	c, err := l.dial()
	if err != nil {
		return err
	}
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	text := "GET / HTTP/1.1\r\nHost: " + l.host + "\r\n\r\n"
	if l.post && i%4 == 0 {
		text = "POST / HTTP/1.1\r\nHost: " + l.host + "\r\nContent-Length: 5\r\n\r\nhello"
	}
	if _, err := io.WriteString(c, text); err != nil {
		c.Close()
		return err
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.Close()
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.Close || l.fresh {
		c.Close()
	} else {
		l.park(c)
	}
	switch {
	case err != nil:
		return err
	case l.check != nil:
		return l.check(resp.StatusCode, string(body))
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("status %d: %.60q", resp.StatusCode, body)
	}
	return nil
}

// dial takes an idle connection or makes a new one.
func (l *load) dial() (*link, error) {
	l.mu.Lock()
	if n := len(l.idle); n > 0 {
		c := l.idle[n-1]
		l.idle = l.idle[:n-1]
		l.mu.Unlock()
		return c, nil
	}
	l.mu.Unlock()
	c, err := net.DialTimeout("tcp", l.target(), 5*time.Second)
	if err != nil {
		return nil, err
	}
	if l.tls != nil {
		c = tls.Client(c, l.tls)
	}
	return &link{Conn: c, r: bufio.NewReader(c)}, nil
}

// park keeps a connection for later, for half a second: one that is idle for longer may be closed by the other side at
// the very moment it is used, which no HTTP/1.1 server can prevent.
func (l *load) park(c *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.used = time.Now()
	l.idle = slices.DeleteFunc(l.idle, func(c *link) bool {
		old := time.Since(c.used) > 500*time.Millisecond
		if old {
			c.Close()
		}
		return old
	})
	l.idle = append(l.idle, c)
}

// finish stops and returns what became of it.
func (l *load) finish() (sent, failed int, p99 time.Duration) {
	l.stop()
	l.done.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.idle {
		c.Close()
	}
	l.idle = nil
	return l.sent, len(l.failed), quantile(l.took, 0.99)
}

// figure stops and describes what became of it; met is whether nothing failed.
func (l *load) figure(t *testing.T) (text string, met bool) {
	t.Helper()
	sent, failed, p99 := l.finish()
	if failed > 0 {
		t.Logf("failures; the machine held the client up for as much as %s:\n%s", l.slept, strings.Join(l.failed[:min(failed, 12)], "\n"))
	}
	return fmt.Sprintf("%d of %d failed, p99 %s", failed, sent, p99.Round(100*time.Microsecond)), failed == 0 && sent > 0
}

// quantile returns the smallest figure that q of all do not exceed.
func quantile(list []time.Duration, q float64) time.Duration {
	if len(list) == 0 {
		return 0
	}
	list = slices.Clone(list)
	slices.Sort(list)
	return list[min(int(q*float64(len(list))), len(list)-1)]
}

// fixed is a target that never changes.
func fixed(address string) func() string { return func() string { return address } }

// ask sends one GET on a connection of its own.
func ask(address, host string) (status int, body string, err error) {
	l := &load{target: fixed(address), host: host, check: func(s int, b string) error {
		status, body = s, b
		return nil
	}}
	err = l.one(1)
	for _, c := range l.idle {
		c.Close()
	}
	return status, body, err
}

// answers reports whether a host answers with a status, and with a body unless that is "".
func answers(address, host string, status int, body string) bool {
	s, b, err := ask(address, host)
	return err == nil && s == status && (body == "" || b == body)
}
