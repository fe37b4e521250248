package forward

import (
	"time"

	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// limit-rate. As in nginx the sum of what is sent may be at most the rate times the seconds since the response began, plus
// one, plus limit-rate-after; what would be too much waits. Pieces are an eighth of a second long, so that a slow
// response flows instead of stuttering.

// pacer is a stream that holds the response body back.
type pacer struct {
	wire.Stream
	rate, after, sent int64
	began             int64 // upstream.Now
}

// paced returns the stream that a response body is written to: the client's, or one that holds it back.
func (s *flight) paced(stream wire.Stream) wire.Stream {
	p := s.plan.Policy
	if p.Rate == 0 {
		return stream
	}
	s.pacer = pacer{Stream: stream, rate: p.Rate, after: p.RateAfter, began: upstream.Now()}
	return &s.pacer
}

// Write implements wire.Stream.
func (p *pacer) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		piece := b[:min(int64(len(b)), max(p.rate/8, 1))]
		if wait := p.wait(int64(len(piece))); wait > 0 {
			if err := p.Flush(); err != nil {
				return n, err
			}
			time.Sleep(wait)
		}
		m, err := p.Stream.Write(piece)
		n, p.sent, b = n+m, p.sent+int64(m), b[m:]
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// wait returns how long some more bytes must wait.
func (p *pacer) wait(more int64) time.Duration {
	over := p.sent + more - p.after - p.rate
	if over <= 0 {
		return 0
	}
	due := time.Duration(float64(over) / float64(p.rate) * float64(time.Second))
	return due - time.Duration(upstream.Now()-p.began)
}
