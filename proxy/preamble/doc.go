// Package preamble reads what a client sends ahead of the protocol that it came to speak: the PROXY header of a
// load balancer (versions 1 and 2, https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt), and the ClientHello of
// TLS, whose server name says where a connection that is passed through unopened goes.
//
// Both are looked at in the kernel's buffer (MSG_PEEK). A PROXY header is then read off to the byte, a ClientHello is
// left where it is. So no connection needs a reader around it that has read too far: it stays a plain socket, which can
// be spliced, asked whether the peer is still there, and handed to whoever comes next. That is also why the parsers are
// our own: libraries wrap the connection.
//
// Everything has limits in bytes, and in time where it waits. proxy/listen and proxy/stream import it; it imports nothing of
// ours. Functions are safe for concurrent use; those that take a connection belong to its owner.
package preamble
