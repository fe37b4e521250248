package extauth

import (
	"sync"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// patience is how long the service may keep a client waiting before we look whether the client is still there: looking
// costs a goroutine, and most services answer sooner.
const patience = 50 * time.Millisecond

// watch gives a request to the service up once the client has gone away.
type watch struct {
	timer *time.Timer
	mu    sync.Mutex
	over  bool
	stop  func()
}

// watchClient calls gone if the client goes away before end is called. Clients that still have a body to send are not watched:
// their bytes cannot be told from the end of the connection without reading them.
func watchClient(x *filter.Exchange, gone func()) (end func()) {
	w, ok := x.Stream.(wire.AbortWatcher)
	if !ok || x.Request.Length != 0 {
		return func() {}
	}
	p := &watch{}
	p.timer = time.AfterFunc(patience, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !p.over {
			p.stop = w.WatchAbort(gone)
		}
	})
	return p.end
}

// end ends the watch.
func (p *watch) end() {
	p.timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over = true; p.stop != nil {
		p.stop()
	}
}
