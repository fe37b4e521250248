package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/zapr"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/controllers/endpoints"
	"github.com/yettproxy/yett/controllers/ingress"
	"github.com/yettproxy/yett/controllers/translate"
	"github.com/yettproxy/yett/proxy"
	"github.com/yettproxy/yett/proxy/observe"
)

// gate is what `yett controller` and `yett serve` have in common: everything but the source of objects.
type gate struct {
	options   *options
	log       logr.Logger
	registry  *prometheus.Registry
	proxy     *proxy.Proxy
	publisher *ingress.Publisher
	resolver  *endpoints.Resolver
	health    *health
	metrics   *observe.Controller
	// leading says whether this replica speaks for all.
	leading func() bool
	// questions are answered over the profiler's port.
	questions *questions
}

// newLogger returns the logger of the process: JSON lines on standard error, the access log has standard
// output to itself.
func newLogger(verbosity int) (logr.Logger, error) {
	config := zap.NewProductionConfig()
	config.Level = zap.NewAtomicLevelAt(zapcore.Level(-verbosity))
	config.EncoderConfig.EncodeTime = zapcore.ISO8601TimeEncoder
	config.DisableStacktrace = true
	config.Sampling = nil
	z, err := config.Build()
	if err != nil {
		return logr.Logger{}, fmt.Errorf("make logger: %w", err)
	}
	return zapr.NewLogger(z), nil
}

// newGate binds all ports. allowLoopback lets ExternalName Services resolve to this host, as manifests without a
// cluster do.
func newGate(o *options, log logr.Logger, identity observe.Options, accessLog io.Writer, allowLoopback bool) (*gate, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	identity.Class = o.controllerClass
	identity.Build = observe.Build{Release: versionText(), Repository: "https://github.com/yettproxy/yett"}
	identity.NoHost, identity.UndefinedHosts, identity.StatusClasses = !o.metricsPerHost, o.metricsUndefinedHost, o.statusClasses
	identity.Exclude = o.excludeMetrics
	identity.BucketFactor, identity.MaxBuckets = o.bucketFactor, o.maxBuckets
	identity.TimeBuckets, identity.LengthBuckets, identity.SizeBuckets = o.timeBuckets, o.lengthBuckets, o.sizeBuckets
	var requests *observe.Metrics
	if o.metrics {
		requests = observe.NewMetrics(identity)
		if err := requests.Register(registry); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	controller := observe.NewController(identity)
	if err := controller.Register(registry); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	health, err := newHealth(o, registry, log)
	if err != nil {
		return nil, err
	}
	p, err := proxy.New(proxy.Options{
		HTTP: bind(o.bindAddresses, o.httpPort), HTTPS: bind(o.bindAddresses, o.httpsPort), HTTP3: o.http3,
		StreamHosts: o.bindAddresses, HealthPath: o.healthPath, Metrics: requests, Log: accessLog, Client: newClient(allowLoopback),
		Errors: func(err error) { log.Error(err, "proxy") },
	})
	if err != nil {
		health.server.Close()
		return nil, err
	}
	resolver := endpoints.NewResolver(net.DefaultResolver.LookupNetIP, 10*time.Second, allowLoopback, log.WithName("dns"))
	process := observe.NewProcess(identity, observe.Sources{
		Connections: func() observe.ConnStats { return observe.ConnStats(p.Connections()) }, LogLinesDropped: p.DroppedLogLines,
		Copies: p.Copies()})
	if err := process.Register(registry); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	if err := observe.NewStreams(identity, p.Streams).Register(registry); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return &gate{
		options: o, log: log, registry: registry, proxy: p, health: health, resolver: resolver, metrics: controller,
		leading: func() bool { return true },
		publisher: &ingress.Publisher{
			Options: o.translate(), Proxy: p, Log: log.WithName("routing"), Metrics: controller,
			Feeder: endpoints.NewFeeder(p.Registry(), resolver, endpoints.Options{
				DisableExternalName: o.disableExternalName, AllowLoopback: allowLoopback,
			}),
		},
	}, nil
}

// bind joins addresses and a port.
func bind(addresses []string, port int) []string {
	if len(addresses) == 0 {
		addresses = []string{""}
	}
	list := make([]string, 0, len(addresses))
	for _, a := range addresses {
		list = append(list, net.JoinHostPort(strings.Trim(a, "[]"), strconv.Itoa(port)))
	}
	return list
}

// newClient returns the client for requests of the proxy's own. It follows nothing and changes nothing:
// authorization services and mirrors are to see what we send, and we are to see what they answer.
//
// It does not reach this host, unless there is no cluster around it, nor link-local addresses: their
// services (of the pod itself, of the cloud) trust whoever can reach them, and the writer of an annotation
// is not meant to.
func newClient(allowLoopback bool) http.RoundTripper {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("dial %s: %w", address, err)
		}
		ip := a.Addr().Unmap()
		if ip.IsLoopback() && !allowLoopback || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() {
			return fmt.Errorf("dial %s: refused: a service that the proxy itself asks must not be at a loopback or link-local address", address)
		}
		return nil
	}}
	return &http.Transport{
		DialContext:            dialer.DialContext,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    64,
		MaxResponseHeaderBytes: 64 << 10,
		IdleConnTimeout:        60 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  60 * time.Second,
		ForceAttemptHTTP2:      true,
	}
}

// translate returns the options of the translation.
func (o *options) translate() translate.Options {
	return translate.Options{
		IngressClass: o.ingressClass, ControllerClass: o.controllerClass, ClassByName: o.classByName,
		WithoutClass: o.withoutClass, Namespace: o.watchNamespace, AnnotationsPrefix: o.annotationsPrefix,
		DefaultBackend: named(o.defaultBackend), DefaultCertificate: named(o.defaultCertificate),
		DisableCatchAll: o.disableCatchAll, DisableExternalName: o.disableExternalName,
		Passthrough: o.passthrough, TCPServices: named(o.tcpServices), UDPServices: named(o.udpServices),
		ReservedTCP: o.ownPorts(), ReservedUDP: []int{o.httpsPort},
		ConfigMap: named(o.configMap), HTTPSPort: o.httpsPort, Memo: &translate.Memo{},
	}
}

// ownPorts returns the TCP ports that TCP services cannot have.
func (o *options) ownPorts() []int {
	ports := []int{o.httpPort, o.httpsPort, o.healthPort, o.profilerPort}
	if _, text, err := net.SplitHostPort(o.webhook.address); err == nil {
		if port, err := strconv.Atoi(text); err == nil {
			ports = append(ports, port)
		}
	}
	return ports
}

// named splits namespace/name; validate has looked at it.
func named(text string) types.NamespacedName {
	namespace, name, _ := strings.Cut(text, "/")
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// serve runs the gate until the context ends, then drains. started is called once the first table is live
// and the listeners accept; it may be nil.
func (g *gate) serve(ctx context.Context, first <-chan struct{}, started func(addresses)) error {
	infra, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	failed := make(chan error, 4)
	go func() { failed <- g.health.run(infra) }()
	go func() { failed <- runProfiler(infra, g.options, g.questions, g.log) }()
	go func() { failed <- g.resolver.Run(infra) }()
	go func() { failed <- g.sample(infra) }()
	select {
	case <-first:
		g.proxy.Start()
		g.health.ready.Store(true)
		a := g.addresses()
		g.log.Info("serving", "http", a.http, "https", a.https, "health", a.health)
		if started != nil {
			started(a)
		}
	case <-ctx.Done():
	}
	<-ctx.Done()
	g.health.ending.Store(true)
	g.log.Info("draining", "grace", g.options.shutdownGrace.String())
	err := g.proxy.Drain(context.WithoutCancel(ctx), g.options.shutdownGrace)
	stop()
	for range cap(failed) {
		err = errors.Join(err, <-failed)
	}
	return err
}

// sampleEvery is how often sample looks.
const sampleEvery = 5 * time.Second

// sample keeps the metrics up to date that no event would: which Ingresses lead nowhere, and, on the
// leader, when certificates expire.
func (g *gate) sample(ctx context.Context) error {
	ticker := time.NewTicker(sampleEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		g.metrics.SetOrphans(g.publisher.Orphans())
		var shown []observe.HostCertificate
		if g.leading() {
			for _, c := range g.proxy.Certificates().Shown() {
				shown = append(shown, observe.HostCertificate{Host: c.Host, Namespace: c.Ref.Namespace, Name: c.Ref.Name, Leaf: c.Leaf})
			}
		}
		g.metrics.SetCertificates(shown)
	}
}

// addresses returns where the gate listens.
func (g *gate) addresses() addresses {
	plain, tls := g.proxy.Addresses()
	return addresses{http: text(plain), https: text(tls), health: g.health.listener.Addr().String()}
}

// text returns the first of some addresses.
func text(list []net.Addr) string {
	if len(list) == 0 {
		return ""
	}
	return list[0].String()
}
