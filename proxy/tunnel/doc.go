// Package tunnel joins two connections: bytes both ways until one side fails, both have ended, or nothing has moved for the idle time. An
// end is passed on alone (half-close), since protocols such as that of rsync end one direction long before the other.
//
// Upgraded connections (proxy/forward) and connections that were never requests (proxy/stream) are joined by it; no other package
// should need it. It imports proxy/socket. A Tunnel is used once: Join runs one direction on the caller's goroutine and the other on one
// of its own, which has ended when it returns.
package tunnel
