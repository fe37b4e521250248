package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/proxy/certs"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/forward"
	"github.com/yettproxy/yett/proxy/http3"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/listen"
	"github.com/yettproxy/yett/proxy/observe"
	"github.com/yettproxy/yett/proxy/route"
	"github.com/yettproxy/yett/proxy/stream"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// Options are what a Proxy is made with. The zero value of each field has a meaning that is good enough
// to start with.
type Options struct {
	// HTTP and HTTPS are the addresses to listen on.
	HTTP, HTTPS []string
	// HTTP3 also speaks HTTP/3, on the UDP ports of HTTPS.
	HTTP3 bool
	// StreamHosts are the addresses on which the ports of TCP and UDP services are opened; nil for all.
	StreamHosts []string
	// HealthPath is answered 200 on the catch-all host unless a rule claims it (--health-check-path).
	HealthPath string
	// Metrics count requests; nil for none.
	Metrics *observe.Metrics
	// Log is where the access log goes unless access-log-path names a file; nil for nowhere.
	Log io.Writer
	// HTTP client for requests of the proxy's own, such as those to authorization services; it must not
	// follow redirects. nil makes filters that need it fail, and their routes answer 503.
	Client http.RoundTripper
	// Errors, if set, is told of what goes wrong beside single requests: accepting fails, a connection's
	// goroutine panics.
	Errors func(error)
	// MaxConnections is how many client connections may be open at once; 0 for no limit.
	MaxConnections int
	// rehearse keeps the proxy from opening anything that a configuration asks for, ports and log files, and makes tables that
	// explain themselves.
	rehearse bool
}

// snapshot is everything about the configuration that a request reads. It is immutable.
type snapshot struct {
	table    *route.Table
	settings *settings
	limits   wire.Limits
	drain    time.Duration
	http1    bool // no HTTP/2
	http3    bool // clients are told of HTTP/3
	// passthrough has the names whose connections are not opened.
	passthrough *passthrough
}

// Proxy is the data plane: listeners, engines, and the current snapshot.
type Proxy struct {
	options   Options
	current   atomic.Pointer[snapshot]
	registry  *upstream.Registry
	state     *filter.State
	certs     *certs.Store
	forwarder *forward.Forwarder
	listener  *listen.Listener
	streams   *stream.Server
	engines   *engines
	http3     *http3.Server // nil if it is not spoken
	log       *observe.AccessLog
	sink      *logSink
	// streamLog and streamSink are those of TCP and UDP services.
	streamLog  *observe.AccessLog
	streamSink *logSink
	unmatched  *observe.RouteMetrics
	clock      clock
	copies     filter.Copies
	// dispositions holds *disposition.
	dispositions sync.Pool

	ctx    context.Context
	cancel context.CancelFunc

	apply     sync.Mutex // serialises Apply
	lastGood  *settings
	upstreams map[upstream.Key]bool
}

// New binds the listeners and returns a proxy that answers nothing until Start. Whoever made it must call
// Drain in the end, also without Start.
func New(o Options) (*Proxy, error) {
	store, err := certs.NewStore(certs.Options{NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		return nil, fmt.Errorf("make default certificate: %w", err)
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	sink, streamSink := &logSink{stream: o.Log}, &logSink{stream: o.Log}
	p := &Proxy{
		options: o, registry: upstream.NewRegistry(), state: filter.NewState(), certs: store,
		sink: sink, log: observe.NewAccessLog(sink, observe.LogOptions{}), unmatched: o.Metrics.Unmatched(),
		streamSink: streamSink, streamLog: observe.NewAccessLog(streamSink, observe.LogOptions{Shards: 1}),
		dispositions: sync.Pool{New: func() any { return new(disposition) }},
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.forwarder = forward.New(forward.Options{Registry: p.registry})
	p.engines = newEngines(p)
	p.listener, err = listen.New(listen.Options{
		HTTP: o.HTTP, HTTPS: o.HTTPS, TLS: store.ServerConfig(), Server: p.engines, Diverter: diverter{p}, MaxConnections: o.MaxConnections, Errors: o.Errors,
	})
	if err != nil {
		p.cancel()
		p.forwarder.Close()
		return nil, errors.Join(err, p.log.Close(), p.streamLog.Close())
	}
	p.streams = stream.New(stream.Options{
		Hosts: o.StreamHosts, Registry: p.registry, MaxConnections: o.MaxConnections, Log: p.streamLog, Errors: o.Errors,
	})
	err = p.listenQUIC()
	p.Apply(&ir.Config{Settings: ir.DefaultSettings()})
	if err != nil {
		p.cancel()
		return nil, errors.Join(err, p.Drain(p.ctx, 0))
	}
	return p, nil
}

// Registry is where the endpoints of upstreams are published.
func (p *Proxy) Registry() *upstream.Registry { return p.registry }

// Listener tells addresses and counts connections.
func (p *Proxy) Listener() *listen.Listener { return p.listener }

// Certificates tells what is shown to clients.
func (p *Proxy) Certificates() *certs.Store { return p.certs }

// Copies counts what is sent to mirrors.
func (p *Proxy) Copies() *filter.Copies { return &p.copies }

// DroppedLogLines is how many access-log lines found no room.
func (p *Proxy) DroppedLogLines() uint64 { return p.log.Dropped() + p.streamLog.Dropped() }

// Streams counts what goes through TCP and UDP services, and what is passed through.
func (p *Proxy) Streams() (ports []observe.StreamStats, passed observe.StreamStats) {
	return p.streams.Stats()
}

// Problem is something in a Config that could not be put to work.
type Problem struct {
	// Origin is the route it is about, or the zero Origin.
	Origin filter.Origin
	// Certificate is the certificate it is about, or the zero reference.
	Certificate ir.CertificateRef
	Reason      string
}

// Apply puts a configuration to work: it compiles it beside the current one and swaps it in. Requests under
// way finish with the one they began with. What cannot be compiled is contained (its routes answer 503)
// and returned.
func (p *Proxy) Apply(cfg *ir.Config) []Problem {
	p.apply.Lock()
	defer p.apply.Unlock()
	var problems []Problem
	p.state.Advance()
	p.options.Metrics.Advance()
	table, routeProblems := route.Compile(cfg, &route.Env{
		Registry: p.registry, State: p.state, Metrics: p.options.Metrics, HTTP: p.options.Client, Errors: p.options.Errors,
		Copies: &p.copies, Context: p.ctx, Forwarder: p.forwarder, Explain: p.options.rehearse,
	})
	for _, r := range routeProblems {
		problems = append(problems, Problem{Origin: r.Origin, Reason: r.Reason})
	}
	for _, c := range p.certs.Update(cfg) {
		problems = append(problems, Problem{Certificate: c.Ref, Reason: c.Reason})
	}
	s, errs := compileSettings(&cfg.Settings, p.lastGood)
	for _, err := range errs {
		problems = append(problems, Problem{Reason: err.Error()})
	}
	p.lastGood = s
	p.configureUpstreams(cfg)
	p.current.Store(&snapshot{
		table: table, settings: s, limits: cfg.Settings.Limits,
		drain: cfg.Settings.DrainTimeout, http1: cfg.Settings.TLS.HTTP1Only, http3: p.speaksHTTP3(&cfg.Settings.TLS),
		passthrough: newPassthrough(cfg, p.registry),
	})
	p.listener.Configure(listen.Policy{
		ProxyProtocol: s.trust.settings.ProxyProtocol, HeaderTimeout: s.trust.settings.ProxyTimeout, Trusted: s.trust.trusts,
	})
	if !p.options.rehearse {
		problems = append(problems, p.open(cfg, s.trust)...)
	}
	p.registry.Sweep(func(k upstream.Key) bool { return p.upstreams[k] })
	p.state.Sweep()
	p.options.Metrics.Sweep()
	return problems
}

// open opens what a configuration asks for beside routes: ports of TCP and UDP services, and log files.
func (p *Proxy) open(cfg *ir.Config, t *trust) (problems []Problem) {
	errs := p.applyStreams(cfg, t)
	if err := p.sink.use(cfg.Settings.Log.Path); err != nil {
		errs = append(errs, err)
	}
	for _, err := range errs {
		problems = append(problems, Problem{Reason: err.Error()})
	}
	return problems
}

// applyStreams opens and closes the ports of TCP and UDP services.
func (p *Proxy) applyStreams(cfg *ir.Config, t *trust) []error {
	settings := stream.Settings{
		StreamSettings: cfg.Settings.Stream, HeaderTimeout: t.settings.ProxyTimeout, Trusted: t.trusts, Drain: cfg.Settings.DrainTimeout,
	}
	errs := p.streams.Apply(cfg.Streams, settings)
	if err := p.streamSink.use(settings.LogPath); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// configureUpstreams tells the upstreams how to balance.
func (p *Proxy) configureUpstreams(cfg *ir.Config) {
	p.upstreams = make(map[upstream.Key]bool, len(cfg.Upstreams))
	for i := range cfg.Upstreams {
		u := &cfg.Upstreams[i]
		p.upstreams[u.Key] = true
		p.registry.Upstream(u.Key).Configure(forward.UpstreamOptions(&u.Balance))
	}
	p.registry.SetPoolLimits(forward.PoolLimits(&cfg.Settings.Pool))
}

// Start begins to serve.
func (p *Proxy) Start() {
	p.listener.Start(p.ctx)
	if p.http3 != nil {
		p.http3.Start(p.ctx)
	}
	p.streams.Start()
}

// Drain ends the proxy without losing a request: connections are told to go elsewhere while new ones are
// still accepted for the grace period; then listeners close and requests under way finish, within the
// drain time of the settings. When the context ends first, what is left is cut.
func (p *Proxy) Drain(ctx context.Context, grace time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, grace+p.current.Load().drain)
	defer cancel()
	p.engines.http2.Shutdown()
	streams := make(chan error, 1)
	go func() { streams <- p.streams.Drain(ctx, grace) }()
	err := p.drainAll(ctx, grace)
	err = errors.Join(err, <-streams)
	p.cancel()
	p.forwarder.Close()
	return errors.Join(err, p.log.Close(), p.streamLog.Close())
}

// limits are those of the current snapshot; the engine asks before each head.
func (p *Proxy) limits() *wire.Limits { return &p.current.Load().limits }

// draining says that connections are to be closed after their response.
func (p *Proxy) draining() bool { return p.listener.Draining() }

// rejected logs a request whose head was refused by the engine.
func (p *Proxy) rejected(x *filter.Exchange, _ string) {
	s := p.current.Load()
	if x.ClientText == "" {
		x.Client = peerOf(x.Conn)
		x.ClientText = addrText(x, x.Client)
	}
	x.End = time.Now()
	p.log.Log(x, s.settings.log)
}

// Addresses returns where the proxy listens: those for http, and those for https.
func (p *Proxy) Addresses() (plain, tls []net.Addr) { return p.listener.Addresses() }
