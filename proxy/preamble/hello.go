package preamble

import (
	"encoding/binary"
	"errors"
)

// The ClientHello of TLS (RFC 8446 section 4.1.2, RFC 6066 section 3), as far as to its server name. A hello may be cut
// into several records, and those into single bytes; the surprise is that some do it to hide the name, so the records are
// put together first. Whatever is not a hello is for crypto/tls to refuse. Encrypted hellos (ECH) are not opened:
// the outer name counts.

// maxHello is the longest ClientHello, with the heads of its records, that is looked into. Browsers send less than 2 KiB.
const maxHello = 16 << 10

// ErrHelloTooLong is a ClientHello beyond 16 KiB.
var ErrHelloTooLong = errors.New("TLS ClientHello is too long")

// errNotHello is a beginning that is no ClientHello.
var errNotHello = errors.New("not a TLS ClientHello")

const (
	recordHandshake = 22
	recordHead      = 5
	handshakeHello  = 1
	handshakeHead   = 4
	serverNameType  = 0
	hostNameType    = 0
)

// parseHello finds the server name in the ClientHello that b begins with; name is "" if it has none. While b may be the
// beginning of a hello done is false and there is no error.
func parseHello(b []byte) (name string, done bool, err error) {
	hello, done, err := joinHello(b)
	if !done || err != nil {
		return "", false, err
	}
	name, ok := helloName(hello)
	if !ok {
		return "", false, errNotHello
	}
	return name, true, nil
}

// joinHello returns the body of the handshake message that the records in b begin with, once it is complete.
func joinHello(b []byte) (body []byte, done bool, err error) {
	var message []byte
	for rest := b; ; {
		// What can be told from a few bytes is told at once. Of the version, only what crypto/tls looks at.
		if len(rest) > 0 && rest[0] != recordHandshake || len(rest) > 1 && rest[1] >= 0x10 {
			return nil, false, errNotHello
		}
		if len(rest) < recordHead {
			return nil, false, nil
		}
		size := int(binary.BigEndian.Uint16(rest[3:]))
		if size == 0 || size > 1<<14 {
			return nil, false, errNotHello
		}
		fragment := rest[recordHead:min(len(rest), recordHead+size)]
		if message == nil {
			message = fragment[:len(fragment):len(fragment)]
		} else {
			message = append(message, fragment...)
		}
		if len(message) > 0 && message[0] != handshakeHello {
			return nil, false, errNotHello
		}
		if len(message) >= handshakeHead {
			want := handshakeHead + int(message[1])<<16 + int(binary.BigEndian.Uint16(message[2:]))
			if want > maxHello {
				return nil, false, ErrHelloTooLong
			}
			if len(message) >= want {
				return message[handshakeHead:want], true, nil
			}
		}
		if len(rest) < recordHead+size {
			return nil, false, nil
		}
		rest = rest[recordHead+size:]
	}
}

// cursor walks over a message. Once something is missing it stays at its end.
type cursor struct {
	rest []byte
	bad  bool
}

// take returns the next n bytes.
func (c *cursor) take(n int) []byte {
	if n > len(c.rest) {
		c.rest, c.bad = nil, true
		return nil
	}
	taken := c.rest[:n]
	c.rest = c.rest[n:]
	return taken
}

// number returns the next number of n bytes.
func (c *cursor) number(n int) (v int) {
	for _, b := range c.take(n) {
		v = v<<8 | int(b)
	}
	return v
}

// vector returns the next vector whose length is written in n bytes.
func (c *cursor) vector(n int) cursor { return cursor{rest: c.take(c.number(n))} }

// helloName finds the server name in the body of a ClientHello.
func helloName(body []byte) (name string, ok bool) {
	c := cursor{rest: body}
	c.take(2 + 32) // version, random
	c.vector(1)    // session
	c.vector(2)    // ciphers
	c.vector(1)    // compression
	if c.bad || len(c.rest) == 0 {
		return "", !c.bad // extensions may be left out
	}
	extensions := c.vector(2)
	found := false
	for len(extensions.rest) > 0 {
		kind, value := extensions.number(2), extensions.vector(2)
		if extensions.bad {
			return "", false
		}
		if kind != serverNameType {
			continue
		}
		if found {
			return "", false // twice: two readers would take two names
		}
		found = true
		if name, ok = listedName(value.vector(2)); !ok || len(value.rest) > 0 {
			return "", false
		}
	}
	return name, !c.bad && len(c.rest) == 0
}

// listedName returns the one host name of a list.
func listedName(list cursor) (name string, ok bool) {
	for len(list.rest) > 0 {
		kind, value := list.number(1), list.vector(2)
		if list.bad {
			return "", false
		}
		if kind != hostNameType {
			continue
		}
		if name != "" || len(value.rest) == 0 || value.rest[len(value.rest)-1] == '.' {
			return "", false // as crypto/tls, which says: RFC 6066 forbids two names and a dot at the end
		}
		name = string(value.rest)
	}
	return name, name != ""
}
