package listen

import (
	"context"
	"fmt"
	"time"

	"github.com/yettproxy/yett/proxy/pause"
)

const (
	// patience is how long a connection that waits for a request may go on waiting when drain begins, or
	// when it is new.
	patience = time.Second
	// tick is how often drain looks at the connections.
	tick = 20 * time.Millisecond
	// afterCut is how long drain waits for goroutines whose connection it has cut.
	afterCut = time.Second
)

// Drain ends the Listener without losing a request, in the order that doc.go tells: it accepts for the
// delay, then closes the listeners and waits until all connections are closed. When the context ends,
// during the delay too, the rest is cut. It returns an error if requests were cut; tunnels do not count.
// Calls after the first wait for the same end.
func (l *Listener) Drain(ctx context.Context, delay time.Duration) error {
	defer l.cancel()
	defer l.unhook()
	begin := time.Now()
	l.draining.Store(true)
	pause.For(ctx, delay)
	l.close()
	l.accepting.Wait()

	d := drain{Listener: l, stopped: time.Now()}
	d.deadline, d.limited = ctx.Deadline()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for l.conns.count.Load() > 0 {
		select {
		case <-ctx.Done():
			return l.cut()
		case now := <-ticker.C:
			if now.Sub(begin) >= patience {
				d.closeIdle()
			}
			d.closeTunnels(now)
		}
	}
	return nil
}

// drain is the part of Drain in which nothing is accepted any more.
type drain struct {
	*Listener
	stopped, deadline time.Time
	limited           bool
	// tunnels is how many tunnels there were when the last quarter began.
	tunnels int
}

// closeIdle closes connections that wait for a request, except new ones.
func (d *drain) closeIdle() {
	d.idleEnd.Store(true)
	d.conns.each(func(c *tracked) {
		if c.state.Load() == idle && !c.fresh() && c.state.CompareAndSwap(idle, closing) {
			c.raw.Close()
		}
	})
}

// closeTunnels closes so many tunnels that their number goes down evenly to the deadline, over the last
// quarter of the time.
func (d *drain) closeTunnels(now time.Time) {
	if !d.limited {
		return
	}
	quarter := d.deadline.Sub(d.stopped) / 4
	left := d.deadline.Sub(now)
	if left > quarter || quarter <= 0 {
		return
	}
	open := 0
	d.conns.each(func(c *tracked) {
		if c.state.Load() == tunnel {
			open++
		}
	})
	d.tunnels = max(d.tunnels, open)
	surplus := open - int(float64(d.tunnels)*float64(max(left, 0))/float64(quarter))
	d.conns.each(func(c *tracked) {
		if surplus > 0 && c.state.CompareAndSwap(tunnel, closing) {
			c.raw.Close()
			surplus--
		}
	})
}

// cut closes everything that is left.
func (l *Listener) cut() error {
	requests := 0
	l.conns.each(func(c *tracked) {
		if c.state.Load() == active {
			requests++
		}
	})
	l.cancel()
	l.conns.each(func(c *tracked) { c.raw.Close() })
	limit, done := context.WithTimeout(context.Background(), afterCut)
	defer done()
	for l.conns.count.Load() > 0 && limit.Err() == nil {
		pause.For(limit, tick)
	}
	if requests > 0 {
		return fmt.Errorf("drain: %d requests were cut", requests)
	}
	return nil
}
