package forward

import (
	"errors"
	"net"
	"sync"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// Options are what a Forwarder is made with. The zero value is good.
type Options struct {
	// Registry, if set, has its idle connections pruned every few seconds.
	Registry *upstream.Registry
	// Prune is how often; 0 for 5 seconds.
	Prune time.Duration
	// KeepAlive is how TCP keep-alive is set up on connections to endpoints; the zero value for Go's
	// default.
	KeepAlive net.KeepAliveConfig
}

// ErrReplaced is what a Responder returns for a response that is not to be sent: the exchange is given back unanswered, with
// the response in it, and may be forwarded again.
var ErrReplaced = errors.New("forward: response is replaced")

// Responder sends the head of the final response.
type Responder interface {
	// Respond is called at most once for an exchange, when the head of an endpoint's final response is in
	// x.Response: it lets the response filters change it, hands it to x.Stream, and returns what the body is to be
	// written to and finished with: x.Stream, or something that stands in front of it. An error means that the
	// client is gone, unless it is ErrReplaced. It is not called for what the Forwarder leaves in x as an answer of the proxy's own.
	Respond(x *filter.Exchange) (body wire.Stream, err error)
}

// Forwarder forwards exchanges.
type Forwarder struct {
	dialer     net.Dialer
	transports transports
	watch      watch
	stop       chan struct{}
	done       sync.WaitGroup
}

// New returns a Forwarder. It runs a goroutine until Close.
func New(o Options) *Forwarder {
	f := &Forwarder{dialer: net.Dialer{KeepAliveConfig: o.KeepAlive}, stop: make(chan struct{})}
	f.watch.init()
	f.done.Go(func() { f.watch.run(f.stop) })
	if o.Registry != nil {
		every := o.Prune
		if every <= 0 {
			every = 5 * time.Second
		}
		f.done.Go(func() { prune(o.Registry, every, f.stop) })
	}
	return f
}

// Close ends the Forwarder's goroutines. Call it once, when no exchange is under way any more.
func (f *Forwarder) Close() {
	close(f.stop)
	f.done.Wait()
}

// prune closes idle connections that nobody will want.
func prune(r *upstream.Registry, every time.Duration, stop <-chan struct{}) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			r.Prune()
		}
	}
}

// Do forwards an exchange to an endpoint of u and returns when it is over. Afterwards it is one of these:
//
//   - answered: the responder was called, x.Stream was finished, hijacked or aborted;
//   - x.Local: nothing was sent, and the answer of the proxy's own is in x for the caller to send (502,
//     503, 504, 413, …);
//   - given back: the responder returned ErrReplaced; nothing was sent, x.Response is the endpoint's;
//   - x.ClientGone: the client went away; x.Stream was aborted.
//
// What was tried is in x.Attempts.
func (f *Forwarder) Do(x *filter.Exchange, p *Plan, u *upstream.Upstream, r Responder) {
	s := f.watch.begin(x.Conn.Serial)
	s.forwarder, s.x, s.plan, s.upstream, s.responder = f, x, p, u, r
	s.raw = x.Conn.Raw
	if a, ok := x.Stream.(wire.Alarmer); ok {
		a.SetAlarm(&s.alarm)
	}
	defer f.watch.end(s)
	s.run()
}
