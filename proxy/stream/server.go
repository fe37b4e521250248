package stream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/observe"
	"github.com/yettproxy/yett/proxy/upstream"
)

// Options are what a Server is made with.
type Options struct {
	// Hosts are the addresses that ports are opened on; "" is all addresses of both families.
	Hosts []string
	// Registry has the endpoints.
	Registry *upstream.Registry
	// MaxConnections is how many connections each TCP port, and how many sessions each UDP port may have; 0 for no limit of
	// the former and 16384 of the latter.
	MaxConnections int
	// Log gets a line for each session; nil writes none.
	Log *observe.AccessLog
	// Errors, if set, is told of what goes wrong beside single sessions.
	Errors func(error)
}

// Settings are what holds for all streams. They are immutable once applied.
type Settings struct {
	ir.StreamSettings
	// HeaderTimeout limits the wait for PROXY headers; Trusted says whose are believed.
	HeaderTimeout time.Duration
	Trusted       func(netip.Addr) bool
	// Drain is how long the sessions of a port that was taken away may go on.
	Drain time.Duration

	format *logFormat
}

// target is where a port leads. It is immutable.
type target struct {
	stream   ir.Stream
	upstream *upstream.Upstream
	settings *Settings
}

// port is an open port of either kind.
type port interface {
	// lead tells where it leads from now on.
	lead(t *target)
	// start begins to accept.
	start(ctx context.Context)
	// drain ends it; see Server.Drain.
	drain(ctx context.Context, grace time.Duration) error
	// stats counts.
	stats() Stats
}

// portKey is what an open port is known by.
type portKey struct {
	number uint16
	udp    bool
}

// Server has the ports of all streams.
type Server struct {
	options  Options
	dialer   net.Dialer
	settings atomic.Pointer[Settings]
	serial   atomic.Uint64 // of UDP sessions
	// passed counts connections that were passed through; see Pass.
	passed counters

	ctx    context.Context
	cancel context.CancelFunc
	// leaving are ports that were taken away and still have sessions.
	leaving sync.WaitGroup

	mu      sync.Mutex // guards what is below
	started bool
	ended   bool
	open    map[portKey]port
	// missing are the streams whose port could not be bound.
	missing map[portKey]*target
	retry   *time.Timer
}

// retryEvery is how often a port that is taken is tried again.
const retryEvery = 5 * time.Second

// New returns a server without ports. Whoever made it must call Drain in the end.
func New(o Options) *Server {
	if len(o.Hosts) == 0 {
		o.Hosts = []string{""}
	}
	if o.Errors == nil {
		o.Errors = func(error) {}
	}
	s := &Server{options: o, open: map[portKey]port{}, missing: map[portKey]*target{}}
	s.dialer.KeepAliveConfig = net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4}
	s.dialer.SetMultipathTCP(false) // splice is not there with it
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.settings.Store(&Settings{StreamSettings: ir.DefaultSettings().Stream, format: compiledDefault()})
	return s
}

// Apply opens the ports of streams that are new, closes those that are gone, and leaves all others as they are. It returns
// what could not be done; a port that is taken is tried again every few seconds.
func (s *Server) Apply(streams []ir.Stream, settings Settings) (problems []error) {
	format, err := compileLog(settings.LogFormat)
	if err != nil {
		problems, format = append(problems, fmt.Errorf("log-format-stream: %w", err)), s.settings.Load().format
	}
	settings.format = format
	s.settings.Store(&settings)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return problems
	}
	wanted := make(map[portKey]*target, len(streams))
	for _, stream := range streams {
		wanted[portKey{stream.Port, stream.Upstream.UDP}] = &target{stream, s.options.Registry.Upstream(stream.Upstream), &settings}
	}
	for key, p := range s.open {
		if wanted[key] == nil {
			delete(s.open, key)
			s.leave(p, settings.Drain)
		}
	}
	clear(s.missing)
	for _, key := range slices.SortedFunc(maps.Keys(wanted), comparePorts) {
		if p := s.open[key]; p != nil {
			p.lead(wanted[key])
		} else if err := s.bind(key, wanted[key]); err != nil {
			s.missing[key] = wanted[key]
			problems = append(problems, fmt.Errorf("%w: it is tried again every %s", err, retryEvery))
		}
	}
	s.arm()
	return problems
}

// comparePorts orders ports by number.
func comparePorts(a, b portKey) int { return cmp.Compare(a.number, b.number) }

// bind opens a port. The lock is held.
func (s *Server) bind(key portKey, t *target) (err error) {
	var p port
	if key.udp {
		p, err = newUDPPort(s, key.number)
	} else {
		p, err = newTCPPort(s, key.number)
	}
	if err != nil {
		return err
	}
	p.lead(t)
	s.open[key] = p
	if s.started {
		p.start(s.ctx)
	}
	return nil
}

// arm sees to it that ports which are missing are tried again. The lock is held.
func (s *Server) arm() {
	if s.retry != nil {
		s.retry.Stop()
		s.retry = nil
	}
	if len(s.missing) > 0 && !s.ended {
		s.retry = time.AfterFunc(retryEvery, s.bindMissing)
	}
}

// bindMissing tries the ports that are missing.
func (s *Server) bindMissing() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	for key, t := range s.missing {
		if s.bind(key, t) == nil {
			delete(s.missing, key)
		}
	}
	s.arm()
}

// leave closes a port and lets its sessions go on for a while.
func (s *Server) leave(p port, limit time.Duration) {
	s.leaving.Go(func() {
		ctx, cancel := context.WithTimeout(s.ctx, limit)
		defer cancel()
		if err := p.drain(ctx, 0); err != nil {
			s.options.Errors(err)
		}
	})
}

// Start begins to accept.
func (s *Server) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = true
	for _, p := range s.open {
		p.start(s.ctx)
	}
}

// Drain ends the server: all ports go on for the grace period, then they close, and sessions may go on until the context
// ends; those of UDP only for as long as answers may still come.
func (s *Server) Drain(ctx context.Context, grace time.Duration) error {
	s.mu.Lock()
	s.ended = true
	s.arm()
	open := s.open
	s.open = map[portKey]port{}
	s.mu.Unlock()
	var group sync.WaitGroup
	errs := make([]error, 0, len(open))
	var mu sync.Mutex
	for _, p := range open {
		group.Go(func() {
			err := p.drain(ctx, grace)
			mu.Lock()
			errs = append(errs, err)
			mu.Unlock()
		})
	}
	group.Wait()
	// Sessions of ports that were closed before have as long as the others.
	stop := context.AfterFunc(ctx, s.cancel)
	s.leaving.Wait()
	stop()
	s.cancel()
	return errors.Join(errs...)
}

// isRefused reports whether an endpoint has nobody listening.
func isRefused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
