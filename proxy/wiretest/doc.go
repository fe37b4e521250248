// Package wiretest speaks HTTP/1.1 byte by byte, for tests of what the proxy does with bytes that no
// well-behaved client or server would send: a Client that sends exactly what it is told and takes answers
// apart strictly, and an Upstream that records exactly what reaches it and answers with scripted bytes.
//
// It has a parser of its own, on purpose: what the proxy writes must not be judged by the code that
// wrote it. Only tests may import it; it imports the standard library alone. A Client belongs to one
// goroutine; an Upstream is safe for concurrent use.
package wiretest
