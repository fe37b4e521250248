package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
)

// options are the flags of `yett controller` and `yett serve`. Names and defaults are those of
// ingress-nginx, so that a Deployment or a chart's extraArgs made for it work unchanged.
type options struct {
	ingressClass, controllerClass   string
	withoutClass, classByName       bool
	annotationsPrefix               string
	configMap                       string
	tcpServices, udpServices        string
	passthrough                     bool
	defaultBackend                  string
	defaultCertificate              string
	disableCatchAll                 bool
	disableExternalName             bool
	bindAddresses                   []string
	httpPort, httpsPort, healthPort int
	http3                           bool
	healthHost, healthPath          string
	shutdownGrace                   time.Duration
	verbosity                       int

	metrics                    bool
	metricsPerHost             bool
	metricsUndefinedHost       bool
	statusClasses              bool
	excludeMetrics             []string
	timeBuckets, lengthBuckets []float64
	sizeBuckets                []float64
	bucketFactor               float64
	maxBuckets                 uint32
	profiling                  bool
	profilerHost               string
	profilerPort               int
	watchNamespace             string
	watchNamespaceSelector     string
	publishService             string
	publishAddress             string
	updateStatus, clearStatus  bool
	internalNodeAddress        bool
	electionID                 string
	electionTTL                time.Duration
	disableElection            bool
	statusInterval             int
	kubeconfig, apiserver      string
	certificateAuthority       string
	noEvents                   bool
	webhook                    webhookOptions
}

// addServing adds the flags of the commands that serve.
func (o *options) addServing(f *pflag.FlagSet) {
	o.addMeaning(f)
	f.StringSliceVar(&o.bindAddresses, "bind-address", nil, "addresses to listen on; all by default")
	f.IntVar(&o.httpPort, "http-port", 80, "port for HTTP; 0 for any free one")
	f.IntVar(&o.httpsPort, "https-port", 443, "port for HTTPS; 0 for any free one")
	f.BoolVar(&o.http3, "enable-http3", false, "also speak HTTP/3, on the UDP port of the https port, and tell clients so (Alt-Svc)")
	f.IntVar(&o.healthPort, "healthz-port", 10254, "port for /healthz, /readyz and /metrics; 0 for any free one")
	f.StringVar(&o.healthHost, "healthz-host", "", "address for the health port; all by default")
	f.Var(secondsValue{&o.shutdownGrace}, "shutdown-grace-period", "time between failing readiness and refusing connections; seconds, or with a unit")
	f.IntVarP(&o.verbosity, "v", "v", 0, "log verbosity")
	f.BoolVar(&o.metrics, "enable-metrics", true, "export request metrics")
	f.BoolVar(&o.metricsPerHost, "metrics-per-host", true, "export request metrics with the label host")
	f.BoolVar(&o.metricsUndefinedHost, "metrics-per-undefined-host", false, "export request metrics for hosts that no Ingress names")
	f.BoolVar(&o.statusClasses, "report-status-classes", false, `report "2xx" instead of "200" in metrics`)
	f.StringSliceVar(&o.excludeMetrics, "exclude-socket-metrics", nil, "request metrics that are left out")
	f.Float64SliceVar(&o.timeBuckets, "time-buckets", nil, "bounds of the histograms of times, in seconds")
	f.Float64SliceVar(&o.lengthBuckets, "length-buckets", nil, "bounds of the histograms of request sizes, in bytes")
	f.Float64SliceVar(&o.sizeBuckets, "size-buckets", nil, "bounds of the histograms of response sizes, in bytes")
	f.Float64Var(&o.bucketFactor, "bucket-factor", 0, "growth of the buckets of native histograms; they are made if it is greater than 1")
	f.Uint32Var(&o.maxBuckets, "max-buckets", 100, "most buckets of a native histogram")
	f.BoolVar(&o.profiling, "profiling", true, "serve pprof on the profiler port")
	f.StringVar(&o.profilerHost, "profiler-address", "127.0.0.1", "address of the profiler")
	f.IntVar(&o.profilerPort, "profiler-port", 10245, "port of the profiler; taken only if it is free")
}

// addMeaning adds the flags that say what objects mean, for all commands that read any.
func (o *options) addMeaning(f *pflag.FlagSet) {
	f.StringVar(&o.ingressClass, "ingress-class", "nginx", "name of the class in the annotation kubernetes.io/ingress.class, and of the IngressClass with --ingress-class-by-name")
	f.StringVar(&o.controllerClass, "controller-class", "k8s.io/ingress-nginx", "spec.controller of the IngressClasses that are ours")
	f.BoolVar(&o.withoutClass, "watch-ingress-without-class", false, "also serve Ingresses that name no class")
	f.BoolVar(&o.classByName, "ingress-class-by-name", false, "also serve IngressClasses by their name")
	f.StringVar(&o.annotationsPrefix, "annotations-prefix", "nginx.ingress.kubernetes.io", "prefix of the annotations; yett.ingress.kubernetes.io is always understood too")
	f.StringVar(&o.configMap, "configmap", "", "namespace/name of the ConfigMap with global settings")
	f.BoolVar(&o.passthrough, "enable-ssl-passthrough", false, "let Ingresses have TLS connections passed through unopened (annotation ssl-passthrough)")
	f.StringVar(&o.tcpServices, "tcp-services-configmap", "", "namespace/name of the ConfigMap of TCP ports that are handed to Services")
	f.StringVar(&o.udpServices, "udp-services-configmap", "", "namespace/name of the ConfigMap of UDP ports that are handed to Services")
	f.StringVar(&o.defaultBackend, "default-backend-service", "", "namespace/name of the Service for requests that no rule matches")
	f.StringVar(&o.defaultCertificate, "default-ssl-certificate", "", "namespace/name of the TLS Secret shown where no other fits")
	f.BoolVar(&o.disableCatchAll, "disable-catch-all", false, "ignore Ingresses with a defaultBackend")
	f.BoolVar(&o.disableExternalName, "disable-svc-external-name", false, "do not resolve Services of type ExternalName")
	f.StringVar(&o.healthPath, "health-check-path", "/healthz", "path of the health check, on the health port and on the catch-all host")
}

// addCluster adds the flags of `yett controller`.
func (o *options) addCluster(f *pflag.FlagSet) {
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "kubeconfig file; without it the pod's service account")
	f.StringVar(&o.apiserver, "apiserver-host", "", "address of the API server, over that of the kubeconfig")
	f.StringVar(&o.certificateAuthority, "certificate-authority", "", "CA file of the API server, with --apiserver-host")
	f.StringVar(&o.watchNamespace, "watch-namespace", "", "serve the Ingresses of this namespace only")
	f.StringVar(&o.watchNamespaceSelector, "watch-namespace-selector", "", "serve the Ingresses of the namespaces with these labels only")
	f.StringVar(&o.publishService, "publish-service", "", "namespace/name of the Service whose addresses are written into status")
	f.StringVar(&o.publishAddress, "publish-status-address", "", "addresses that are written into status, separated by commas")
	f.BoolVar(&o.updateStatus, "update-status", true, "write the status of Ingresses")
	f.BoolVar(&o.clearStatus, "update-status-on-shutdown", true, "clear the status of Ingresses when the last replica ends")
	f.BoolVar(&o.internalNodeAddress, "report-node-internal-ip-address", false, "write internal node addresses into status")
	f.StringVar(&o.electionID, "election-id", "ingress-controller-leader", "name of the Lease of the leader")
	f.Var(secondsValue{&o.electionTTL}, "election-ttl", "how long a leader may be silent")
	o.electionTTL = 30 * time.Second
	f.BoolVar(&o.disableElection, "disable-leader-election", false, "do not elect a leader: this replica writes status")
	f.BoolVar(&o.noEvents, "disable-sync-events", false, "do not write Events of the reason Sync")
	o.webhook.add(f)
	f.IntVar(&o.statusInterval, "status-update-interval", 60, "seconds between two looks at the status of all Ingresses, at least 5")
}

// accepted are the flags of ingress-nginx that mean nothing to us. They are taken with a warning, since
// an unknown flag would keep a drop-in from starting.
var accepted = []struct{ name, why string }{
	{"apiserver-qps", "the client limits itself"},
	{"deep-inspect", "no configuration text is made out of Ingresses, so there is nothing to inject into"},
	{"default-server-port", "the default backend is inside the process"},
	{"disable-full-test", "no configuration file is tested"},
	{"dynamic-configuration-retries", "configuration is swapped in memory"},
	{"enable-annotation-validation", "annotations are always validated"},
	{"enable-ssl-chain-completion", "put the whole chain into the Secret"},
	{"enable-topology-aware-routing", "not there yet"},
	{"health-check-timeout", "the health check answers at once"},
	{"internal-logger-address", "logs go to standard error"},
	{"maxmind-edition-ids", "not there yet"},
	{"maxmind-license-key", "not there yet"},
	{"maxmind-mirror", "not there yet"},
	{"maxmind-retries-count", "not there yet"},
	{"maxmind-retries-timeout", "not there yet"},
	{"monitor-max-batch-size", "metrics are counted where they arise"},
	{"post-shutdown-grace-period", "the process ends when the last request has"},
	{"ssl-passthrough-proxy-port", "connections are not sent through a second port"},
	{"status-port", "there is no nginx process to ask"},
	{"stream-port", "there is no nginx process to configure"},
	{"sync-period", "caches are never resynchronised by the clock"},
	{"sync-rate-limit", "changes are applied within milliseconds"},
	{"alsologtostderr", "logs go to standard error"},
	{"logtostderr", "logs go to standard error"},
	{"stderrthreshold", "logs go to standard error"},
	{"log_dir", "logs go to standard error"},
	{"log_file", "logs go to standard error"},
	{"log_file_max_size", "logs go to standard error"},
	{"one_output", "logs go to standard error"},
	{"add_dir_header", "log lines are JSON"},
	{"skip_headers", "log lines are JSON"},
	{"skip_log_headers", "log lines are JSON"},
	{"log_backtrace_at", "there is none"},
	{"vmodule", "there is one verbosity"},
}

// acceptedBools are those of them that are switches. Only they may stand without a value: "--sync-period 1h" has one,
// which must not be taken for an argument.
var acceptedBools = []string{
	"add_dir_header", "alsologtostderr", "deep-inspect", "disable-full-test", "enable-annotation-validation", "enable-ssl-chain-completion",
	"enable-topology-aware-routing", "logtostderr", "one_output", "skip_headers", "skip_log_headers",
}

// addAccepted adds the flags without meaning.
func addAccepted(f *pflag.FlagSet) {
	for _, a := range accepted {
		f.String(a.name, "", "accepted without effect: "+a.why)
		flag := f.Lookup(a.name)
		if slices.Contains(acceptedBools, a.name) {
			flag.NoOptDefVal = "true"
		}
		flag.Hidden = true
	}
}

// warnAccepted tells which flags without meaning were given.
func warnAccepted(f *pflag.FlagSet, log logr.Logger) {
	for _, a := range accepted {
		if f.Changed(a.name) {
			log.Info("flag accepted without effect", "flag", "--"+a.name, "reason", a.why)
		}
	}
}

// validate finds contradictions.
func (o *options) validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.publishService != "" && o.publishAddress != "" {
		fail("--publish-service and --publish-status-address exclude each other: give one of them")
	}
	if o.watchNamespace != "" && o.watchNamespaceSelector != "" {
		fail("--watch-namespace and --watch-namespace-selector exclude each other: give one of them")
	}
	if o.statusInterval != 0 && o.statusInterval < 5 {
		fail("--status-update-interval is %d: at least 5", o.statusInterval)
	}
	if err := o.webhook.validate(); err != nil {
		errs = append(errs, err)
	}
	names := map[string]string{
		"--configmap": o.configMap, "--default-backend-service": o.defaultBackend,
		"--tcp-services-configmap": o.tcpServices, "--udp-services-configmap": o.udpServices,
		"--default-ssl-certificate": o.defaultCertificate, "--publish-service": o.publishService,
	}
	for flag, v := range names {
		if v == "" {
			continue
		}
		if ns, name, ok := strings.Cut(v, "/"); !ok || ns == "" || name == "" || strings.Contains(name, "/") {
			fail("%s is %q: write namespace/name", flag, v)
		}
	}
	for flag, port := range map[string]int{"--http-port": o.httpPort, "--https-port": o.httpsPort, "--healthz-port": o.healthPort} {
		if port < 0 || port > 65535 {
			fail("%s is %d: a port is between 0 and 65535", flag, port)
		}
	}
	return errors.Join(errs...)
}

// secondsValue is a duration flag that also takes a bare number of seconds, as ingress-nginx does.
type secondsValue struct{ d *time.Duration }

// String returns the value.
func (v secondsValue) String() string {
	if v.d == nil {
		return "0s"
	}
	return v.d.String()
}

// Set reads "30" and "30s".
func (v secondsValue) Set(text string) error {
	if text != "" && strings.Trim(text, "0123456789") == "" {
		text += "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("not a time: %q: write seconds, such as 30, or a unit, such as 30s", text)
	}
	*v.d = d
	return nil
}

// Type names the kind of value in the help.
func (v secondsValue) Type() string { return "seconds" }
