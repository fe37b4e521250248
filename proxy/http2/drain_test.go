package http2

import (
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// TestP33ConnectionsEndInTwoSteps is about clients that open a stream before they learn of the end.
func TestP33ConnectionsEndInTwoSteps(t *testing.T) {
	r := newRig(t)
	release := make(chan struct{})
	r.serve = func(x *filter.Exchange) {
		<-release
		x.ReplyText(200, "", "ok")
		write(x)
	}
	c := r.dial()
	c.headers(1, true, get("/")...)
	await(t, "a request is under way", func() bool { return r.hits.Load() == 1 })
	r.srv.Shutdown()
	c.mute = true
	for len(c.goaways) == 0 {
		f, err := c.fr.ReadFrame()
		c.must(err)
		c.take(f)
	}
	c.headers(3, true, get("/")...) // crosses the first GOAWAY
	c.until(func() bool { return len(c.goaways) == 2 })
	if c.goaways[0] != 1<<31-1 || c.goaways[1] != 3 {
		t.Fatalf("GOAWAY named %v", c.goaways)
	}
	c.headers(5, true, get("/")...) // too late: it was told
	close(release)
	for _, id := range []uint32{1, 3} {
		if got := c.response(id).String(); got != "200" {
			t.Errorf("stream %d: %s", id, got)
		}
	}
	if got := c.end(); got != "GOAWAY NO_ERROR" {
		t.Error(got)
	}
	if n := r.hits.Load(); n != 2 || c.answers[5] != nil {
		t.Errorf("%d requests were served; stream 5: %v", n, c.answers[5])
	}
}

func TestConnectionsThatBeginWhileDrainingServeWhatComesFirst(t *testing.T) {
	r := newRig(t)
	r.draining.Store(true)
	c := r.dial()
	c.alive(1)
	if got := c.end(); got != "GOAWAY NO_ERROR" {
		t.Error(got)
	}
}

func TestConnectionsEndAfterTheirRequests(t *testing.T) {
	r := newRig(t)
	r.limit(func(l *wire.Limits) { l.RequestsPerConnection = 2 })
	c := r.dial()
	c.alive(1)
	c.alive(3)
	if got := c.end(); got != "GOAWAY NO_ERROR" {
		t.Error(got)
	}
}

func TestIdleConnectionsEndAtOnce(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	c.alive(1)
	await(t, "it idles", func() bool { return r.watch.idle.Load() == 2 })
	begin := time.Now()
	r.srv.Shutdown()
	if got := c.end(); got != "GOAWAY NO_ERROR" || time.Since(begin) > lastCall/2 {
		t.Errorf("%s after %s", got, time.Since(begin))
	}
}

func TestTheWatcherHearsOfTheWholeConnection(t *testing.T) {
	r := newRig(t)
	release := make(chan struct{})
	r.serve = func(x *filter.Exchange) {
		<-release
		x.ReplyText(200, "", "ok")
		write(x)
	}
	c := r.dial()
	for id := uint32(1); id < 20; id += 2 {
		c.headers(id, true, get("/")...)
	}
	await(t, "requests are under way", func() bool { return r.hits.Load() == 10 })
	if r.watch.active.Load() != 1 || r.watch.idle.Load() != 1 {
		t.Errorf("%d times active, %d times idle", r.watch.active.Load(), r.watch.idle.Load())
	}
	close(release)
	for id := uint32(1); id < 20; id += 2 {
		c.response(id)
	}
	await(t, "it idles", func() bool { return r.watch.idle.Load() == 2 })
}
