// Package h2raw speaks HTTP/2 frame by frame, for tests of what the gate does with frames that no well-behaved client would
// send. It is written from RFC 9113 and RFC 7541 and shares no code with package http2 nor with golang.org/x/net: what the gate
// writes must not be judged by the code that wrote it, or by that of its usual peers.
//
// Only tests may import it; it imports the standard library alone. A Conn belongs to one goroutine; an Encoder and a Decoder to
// one direction of one connection.
package h2raw
