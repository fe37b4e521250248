package wire

import "time"

// Limits bounds what a client may send and how long it may take. The defaults are nginx's.
type Limits struct {
	// LineBytes is the longest request line, else 414; and the longest field line, else 431
	// (ConfigMap key large-client-header-buffers: the size of one buffer).
	LineBytes int
	// HeadBytes is the largest head in all, else 431 (large-client-header-buffers: count times size).
	HeadBytes int
	// FieldCount is the most fields in a head or in trailers, else 431.
	FieldCount int
	// UnderscoresInNames keeps fields whose names have an underscore (enable-underscores-in-headers);
	// otherwise they are dropped, so that X_Forwarded_For cannot pass for X-Forwarded-For.
	UnderscoresInNames bool
	// HeadTimeout is the time from the first byte of a head to its end, and from the start of a connection
	// to its first byte (client-header-timeout). Here and below, except for IdleTimeout, 0 is no limit.
	HeadTimeout time.Duration
	// BodyTimeout is the longest gap between two reads of a body (client-body-timeout). See also Pace.
	BodyTimeout time.Duration
	// IdleTimeout is how long a connection may wait for its next request (keep-alive). With 0 there is no
	// next request, as in nginx.
	IdleTimeout time.Duration
	// WriteTimeout is the longest gap between two writes to the client (nginx's send_timeout).
	WriteTimeout time.Duration
	// RequestsPerConnection is how many requests a connection may carry (keep-alive-requests). 0 counts as
	// 1, as in nginx.
	RequestsPerConnection int
	// ConcurrentStreams is how many requests an HTTP/2 connection may carry at once
	// (http2-max-concurrent-streams).
	ConcurrentStreams int
}

// Pace is how many bytes a request body whose length is known, and a response over HTTP/2 or HTTP/3, must move by while the proxy has waited
// for the client for BodyTimeout, or WriteTimeout, altogether: a byte a second is an attack. Time in which the proxy itself was
// not ready does not count, and streams of unknown length may be as quiet as the time-outs allow.
const Pace = 4 << 10

// Progress is how a transfer keeps to Pace.
type Progress struct {
	// Waited is how long the proxy has waited for the client since it moved by Pace. Whoever waits adds to it.
	Waited time.Duration
	moved  int64
}

// Move notes that n bytes have moved.
func (p *Progress) Move(n int64) {
	if p.moved += n; p.moved >= Pace {
		*p = Progress{}
	}
}

// DefaultLimits returns the limits that hold when nothing is configured.
func DefaultLimits() Limits {
	return Limits{
		LineBytes: 8 << 10, HeadBytes: 32 << 10, FieldCount: 100,
		HeadTimeout: 60 * time.Second, BodyTimeout: 60 * time.Second,
		IdleTimeout: 75 * time.Second, WriteTimeout: 60 * time.Second,
		RequestsPerConnection: 1000, ConcurrentStreams: 128,
	}
}
