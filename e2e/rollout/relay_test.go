package rollout

import (
	"fmt"
	"io"
	"net"
	"sync"
)

// relay passes connections on to the API server until it is cut.
type relay struct {
	address, target string

	mu    sync.Mutex
	l     net.Listener
	conns map[net.Conn]bool
}

// newRelay starts one on a free port.
func newRelay(target string) (*relay, error) {
	r := &relay{target: target, address: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	return r, r.mend()
}

// mend listens, on the same port as before.
func (r *relay) mend() error {
	l, err := net.Listen("tcp", r.address)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	r.mu.Lock()
	r.l, r.address = l, l.Addr().String()
	r.mu.Unlock()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.pass(c)
		}
	}()
	return nil
}

// cut refuses new connections and ends those there are.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.l.Close()
	for c := range r.conns {
		c.Close()
	}
}

// pass copies both ways until one side ends.
func (r *relay) pass(c net.Conn) {
	up, err := net.Dial("tcp", r.target)
	if err != nil {
		c.Close()
		return
	}
	r.mu.Lock()
	r.conns[c] = true
	r.mu.Unlock()
	go func() {
		_, _ = io.Copy(up, c)
		up.Close()
	}()
	_, _ = io.Copy(c, up)
	c.Close()
	r.mu.Lock()
	delete(r.conns, c)
	r.mu.Unlock()
}
