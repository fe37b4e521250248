// Package stream hands connections and datagrams to Services as they are: the ports of TCP and UDP services, and TLS
// connections that are passed through unopened.
//
// A Server has a port for each ir.Stream. Apply opens and closes ports by difference: a port that stays keeps its
// socket and its sessions, whatever else changes; one that goes drains while others go on; one that cannot be bound is reported, and
// tried again every few seconds. TCP ports are listen.Listeners, so they drain as those do: connections are tunnels, cut one
// after the other towards the end. Sessions of UDP are told apart by the addresses of client and proxy.
//
// Bytes are moved by package tunnel. Endpoints are chosen by the upstream; where one cannot be reached the
// next is tried, within proxy-stream-next-upstream.
//
// Package proxy imports it; it imports proxy/filter, proxy/ir, proxy/listen, proxy/observe, proxy/preamble, proxy/tunnel and
// proxy/upstream. A Server is safe for concurrent use.
package stream
