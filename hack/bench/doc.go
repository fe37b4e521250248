// Command bench compares what a request costs in Yett, nginx, HAProxy, Caddy and httputil.ReverseProxy, on one machine in one run.
//
// The figure that counts is CPU time per request of the proxy process, read from /proc: it hardly depends on what else the
// machine does, while requests per second and latencies do. Each proxy runs alone on one core; the load generator and the
// backend share another. Rounds are interleaved (A B C, A B C, …), so that a slow minute hits all alike.
//
// It is one program in several roles: it runs itself again as the backend, the load generator and the peer made of
// httputil.ReverseProxy, so that the kernel tells their costs apart. Cases are in cases.go, one line each; how a peer is
// configured for them is in yett.go, nginx.go and haproxy.go.
package main
