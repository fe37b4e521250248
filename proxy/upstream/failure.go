package upstream

// Failure is why an endpoint gave no answer, or no complete one.
type Failure uint8

// The failures.
const (
	// NoFailure: it answered.
	NoFailure Failure = iota
	// ConnectRefused: nobody listens there.
	ConnectRefused
	// ConnectTimeout: no connection within the limit.
	ConnectTimeout
	// ConnectError: no connection for another reason, such as no route.
	ConnectError
	// TLSError: the TLS handshake went wrong, or the certificate is not the one that is wanted.
	TLSError
	// CertificateRefused: it would not have our certificate, or wanted one and got none. Under TLS 1.3 it says so in place of its answer.
	CertificateRefused
	// WriteError: the connection broke while the request was sent.
	WriteError
	// SendTimeout: it did not take the request in time.
	SendTimeout
	// ReadError: the connection broke before the head of the response was complete.
	ReadError
	// ReadTimeout: it did not answer in time.
	ReadTimeout
	// Malformed: what it answered is not HTTP, or not such that it can be passed on safely.
	Malformed
	// HeadTooLarge: the head of the response is above the limit.
	HeadTooLarge
	// Truncated: the body of the response ended before its end.
	Truncated
	// Unsupported: the protocol asked for is not spoken.
	Unsupported
	// Unsendable: the request cannot be put into words of the protocol, for example since it was rewritten
	// to a target with white space.
	Unsendable
	// Refused: it did not begin with the request, which can be sent again.
	Refused
	// Reset: it gave the request up.
	Reset
)

// String says what happened, for logs.
func (f Failure) String() string {
	return [...]string{
		"", "connection refused", "connect timed out", "connect failed", "TLS handshake failed",
		"client certificate refused or missing",
		"connection broke while sending the request", "sending the request timed out",
		"connection broke before a response", "waiting for the response timed out", "malformed response",
		"response head too large", "response cut short", "protocol not supported", "request cannot be sent as it is",
		"request refused unprocessed", "stream reset",
	}[f]
}

// Status returns the status that stands for the failure towards clients: 504 for time-outs, else 502; 0
// for none.
func (f Failure) Status() int {
	switch f {
	case NoFailure:
		return 0
	case ConnectTimeout, SendTimeout, ReadTimeout:
		return 504
	}
	return 502
}
