package main

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// setup is what a peer is configured for. The zero setup forwards everything to the backend.
type setup struct {
	// Routes adds 10 000 hosts, the last of which is a regular expression.
	Routes bool
	// Filters puts a canary, basic auth, a rate limit and a list of allowed networks before the backend.
	Filters bool
	// HTTP2 offers HTTP/2 on the port with TLS, as all but HAProxy would by themselves.
	HTTP2 bool
	// GRPC forwards to the gRPC backend, in cleartext; HTTP2 goes with it.
	GRPC bool
	// Cores, if not 0, is how many cores the proxy may use; it is then not pinned, and neither is the load.
	Cores int
	// Log switches the access log on, into a file.
	Log bool
}

// benchCase is one row of the comparison.
type benchCase struct {
	Name, Title string
	// Setup is how the peers are configured.
	Setup setup
	// Load is what is sent; address and processes are filled in.
	Load load
	// Bar is what Yett's CPU time per request may be at most, in those of the better of nginx and HAProxy.
	Bar float64
	// Missing says why there is no figure for Yett yet; the case is then not run.
	Missing string
}

// hosts of the setup with many routes: most are names, the last is a regular expression.
const (
	host         = "bench.test"
	routes       = 10000
	regexHost    = `^r[0-9]+\.regex\.test$`
	user, secret = "alice", "open sesame"
)

// routeHost returns the name of a route.
func routeHost(i int) string { return fmt.Sprintf("h%d.bench.test", i) }

// cases returns all cases in the order of the report.
func cases() []benchCase {
	get := func(path string) load {
		return load{Kind: kindHTTP, Requests: []string{request("GET", path, host, "", 0)}, Connections: 16}
	}
	tls := func(l load) load { l.TLS = true; return l }
	few := func(l load, n int) load { l.Connections = n; return l }
	streams := func(kind string) load { return load{Kind: kind, TLS: true, Connections: 4, Streams: 16} }
	connect := get("/small")
	connect.Fresh = true
	fresh := tls(connect)
	post := load{Kind: kindHTTP, Requests: []string{request("POST", "/post", host, "", 10<<10)}, Connections: 16}
	var many []string
	for i := range 32 {
		name := routeHost(i * routes / 32)
		if i%2 == 1 {
			name = fmt.Sprintf("r%d.regex.test", i)
		}
		many = append(many, request("GET", "/small", name, "", 0))
	}
	credentials := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret)) + "\r\n"
	return []benchCase{
		{Name: "small", Bar: 1.0, Title: "HTTP/1.1, small GET", Load: get("/small")},
		{Name: "10k", Bar: 1.1, Title: "HTTP/1.1, 10 KB body", Load: get("/10k")},
		{Name: "100k", Bar: 1.0, Title: "HTTP/1.1, 100 KB body", Load: get("/100k")},
		{Name: "10m", Bar: 1.1, Title: "HTTP/1.1, 10 MB body", Load: few(get("/10m"), 4)},
		{Name: "post", Bar: 1.1, Title: "HTTP/1.1, POST 10 KB", Load: post},
		{Name: "tls", Bar: 1.0, Title: "TLS, HTTP/1.1, small GET", Load: tls(get("/small"))},
		{Name: "tls100k", Bar: 1.1, Title: "TLS, HTTP/1.1, 100 KB body", Load: tls(get("/100k"))},
		{Name: "connect", Title: "new connection per request", Load: connect},
		{Name: "handshake", Bar: 1.1, Title: "new TLS connection per request", Load: fresh},
		{Name: "h2", Bar: 1.0, Title: "TLS, HTTP/2, 16 streams", Setup: setup{HTTP2: true}, Load: streams(kindHTTP2)},
		{Name: "grpc", Bar: 1.0, Title: "gRPC over TLS, unary", Setup: setup{HTTP2: true, GRPC: true}, Load: streams(kindGRPC)},
		{Name: "grpcstream", Bar: 1.1, Title: "gRPC over TLS, messages there and back on streams", Setup: setup{HTTP2: true, GRPC: true}, Load: streams(kindGRPCStream)},
		{Name: "websocket", Bar: 1.1, Title: "WebSocket echo, 64 bytes", Load: load{Kind: kindWebSocket, Requests: []string{upgrade()}, Connections: 16}},
		{Name: "routes", Bar: 1.1, Title: "10 000 routes, one a regex host", Setup: setup{Routes: true}, Load: load{Kind: kindHTTP, Requests: many, Connections: 16}},
		{Name: "filters", Bar: 1.1, Title: "canary + auth + rate limit + allow list", Setup: setup{Filters: true},
			Load: load{Kind: kindHTTP, Requests: []string{request("GET", "/small", host, credentials, 0)}, Connections: 16}},
		{Name: "p99", Title: "small GET at 70 % of saturation", Load: load{Kind: kindOpen, Requests: get("/small").Requests, Connections: 64}},
		{Name: "core1", Title: "small GET, one worker, not pinned", Setup: setup{Cores: 1}, Load: get("/small")},
		{Name: "core2", Title: "small GET, two workers, not pinned", Setup: setup{Cores: 2}, Load: get("/small")},
		{Name: "log", Bar: 1.1, Title: "access log on", Setup: setup{Log: true}, Load: get("/small")},
		{Name: "idle", Title: "9 000 idle connections", Load: load{Kind: kindIdle, Requests: []string{request("GET", "/small", host, "", 0)}, Connections: 9000}},
		{Name: "idletls", Title: "9 000 idle connections, TLS", Load: load{Kind: kindIdle, TLS: true, Requests: []string{request("GET", "/small", host, "", 0)}, Connections: 9000}},
	}
}

// workers returns how many workers, threads or processors a proxy is to have.
func (s setup) workers() int { return max(1, s.Cores) }

// core returns where a proxy with this setup is to run.
func (b *bench) core(s setup) int {
	if s.Cores > 0 {
		return anyCore
	}
	return b.proxyCore
}

// request composes a request like that of a browser's script.
func request(method, path, host, more string, body int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s?x=1 HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nAccept: */*\r\nAccept-Language: en\r\nCookie: a=b\r\n%s", method, path, host, more)
	if body > 0 {
		fmt.Fprintf(&b, "Content-Type: application/octet-stream\r\nContent-Length: %d\r\n", body)
	}
	b.WriteString("\r\n")
	b.WriteString(strings.Repeat("x", body))
	return b.String()
}

// upgrade is the request that opens a WebSocket.
func upgrade() string {
	return "GET /echo HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
}
