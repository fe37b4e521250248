package clientlimits

import (
	"strconv"
	"strings"
	"time"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
)

// Family is the limits of the process.
var Family = feature.Family{
	Name: "clientlimits",
	Doc:  "What clients may send and how long they may take, and how connections are kept.",
	Settings: []feature.Key{
		{
			Name: "client-header-timeout", Type: "seconds", Default: "60",
			Doc: "The time from the first byte of a request's head to its end.",
		},
		{
			Name: "client-body-timeout", Type: "seconds", Default: "60",
			Doc: "The longest gap between two reads of a request body.",
		},
		{
			Name: "keep-alive", Type: "seconds", Default: "75",
			Doc: "How long a client's connection may wait for its next request; 0 closes it after each response.",
		},
		{
			Name: "keep-alive-requests", Type: "number", Default: "1000",
			Doc: "How many requests a client's connection may carry.",
		},
		{
			Name: "large-client-header-buffers", Type: "number and size", Default: "4 8k",
			Doc: "The largest head: number times size in all, one size for a line. More gets 414 for the request line, else 431.",
			Note: "ingress-nginx answers 400 with a page that says so where we answer 431. The sizes hold from the first byte, " +
				"whatever client-header-buffer-size says.",
		},
		{
			Name: "client-header-buffer-size", Type: "size", Default: "1k",
			Doc:      "In nginx, the memory that a head is first read into.",
			NoEffect: "heads are read into memory of their own size: large-client-header-buffers is the limit",
		},
		{
			Name: "enable-underscores-in-headers", Type: "bool", Default: "false",
			Doc:  "Keeps fields with an underscore in their name; else they are dropped.",
			Note: "Fields that pass for the proxy's own where _ and - are the same, such as X_Real_IP, are dropped all the same.",
		},
		{
			Name: "ignore-invalid-headers", Type: "bool", Default: "true",
			Doc:      "In nginx, whether fields with impossible names are dropped or passed on.",
			NoEffect: "a request with an impossible field name is always refused with 400",
			Note:     "Such a request is refused with 400: a field that two parties read differently is how requests are smuggled.",
		},
		{
			Name: "use-http2", Type: "bool", Default: "true", Doc: "Offers HTTP/2 to clients.",
			Note: "It is also spoken on the http port, to clients that begin with it (prior knowledge), such as gRPC in cleartext.",
		},
		{
			Name: "http2-max-concurrent-streams", Type: "number", Default: "128",
			Doc: "How many requests an HTTP/2 connection may carry at once.",
		},
		{
			Name: "upstream-keepalive-connections", Type: "number", Default: "320",
			Doc:  "How many idle connections are kept to each endpoint; 0 for none.",
			Note: "nginx counts them for each upstream and worker process.",
		},
		{
			Name: "upstream-keepalive-timeout", Type: "seconds", Default: "60",
			Doc: "How long a connection to an endpoint may idle.",
		},
		{
			Name: "upstream-keepalive-time", Type: "time", Default: "1h",
			Doc: "How old a connection to an endpoint may get.",
		},
		{
			Name: "upstream-keepalive-requests", Type: "number", Default: "10000",
			Doc: "How many requests a connection to an endpoint may carry.",
		},
		{
			Name: "worker-shutdown-timeout", Type: "time", Default: "240s",
			Doc: "How long requests may go on after the end of the process was announced.",
		},
	},
	Configure: configure,
}

// most bounds numbers that have no bound in nginx.
const most = 1 << 30

// mostStreams bounds what one HTTP/2 connection may make us remember.
const mostStreams = 1 << 16

// configure reads the family's settings.
func configure(in *feature.Reader, out *ir.Settings) {
	l := &out.Limits
	l.HeadTimeout = in.PositiveSeconds("client-header-timeout")
	l.BodyTimeout = in.PositiveSeconds("client-body-timeout")
	l.RequestsPerConnection = in.Int("keep-alive-requests", 1, most)
	if idle := in.Seconds("keep-alive"); idle > 0 {
		l.IdleTimeout = idle
	} else {
		l.RequestsPerConnection = 1
	}
	l.UnderscoresInNames = in.Bool("enable-underscores-in-headers")
	l.ConcurrentStreams = in.Int("http2-max-concurrent-streams", 1, mostStreams)
	out.TLS.HTTP1Only = !in.Bool("use-http2")
	buffers := in.Matching("large-client-header-buffers", func(v string) bool { _, _, ok := parseBuffers(v); return ok },
		"a number from 1 to 1024 and a size from 1k to 1m, such as 4 8k")
	if count, size, ok := parseBuffers(buffers); ok {
		l.LineBytes, l.HeadBytes = size, count*size
	}

	out.Pool = ir.PoolSettings{
		Idle:     in.Int("upstream-keepalive-connections", 0, most),
		Timeout:  in.PositiveSeconds("upstream-keepalive-timeout"),
		Lifetime: positive(in, "upstream-keepalive-time", out.Pool.Lifetime),
		Requests: in.Int("upstream-keepalive-requests", 1, most),
	}
	out.DrainTimeout = in.Duration("worker-shutdown-timeout")
}

// positive reads a time that must not be 0.
func positive(in *feature.Reader, name string, otherwise time.Duration) time.Duration {
	d := in.Duration(name)
	if d > 0 {
		return d
	}
	in.Refuse(name, "0 is not possible: write such as 1h")
	return otherwise
}

// parseBuffers reads a number and a size.
func parseBuffers(v string) (count, size int, ok bool) {
	first, second, _ := strings.Cut(v, " ")
	count, err := strconv.Atoi(first)
	if err != nil || count < 1 || count > 1024 {
		return 0, 0, false
	}
	n, err := feature.ParseSize(strings.TrimSpace(second))
	if err != nil || n < 1<<10 || n > 1<<20 {
		return 0, 0, false
	}
	return count, int(n), true
}
