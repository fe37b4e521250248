package mirror

// A copy is made in two steps. The head is put together by the filter, on the goroutine of the request, since all that it is
// made of belongs to that request. The body is taken from what the forwarder reads anyway, and its end sends the copy off.
// So there is a copy of what the Service gets, no more, and a body is read once.

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
)

const (
	// timeout is how long a copy may take in all.
	timeout = 60 * time.Second
	// maxAnswer and answerTime are how much of an answer's body is read, so that the connection can be used again, and how long.
	maxAnswer  = 256 << 10
	answerTime = 5 * time.Second
)

var (
	_ filter.Finisher = (*mirror)(nil)
	_ filter.BodyTap  = (*copied)(nil)
)

// Request implements filter.Filter.
func (m *mirror) Request(x *filter.Exchange) filter.Action {
	if !m.withoutBody && x.Request.Length > maxBody || !m.begin() {
		m.counts.Dropped.Add(1)
		return filter.Continue
	}
	req, err := m.request(x)
	if err != nil {
		m.end(0)
		m.counts.Failed.Add(1)
		return filter.Continue
	}
	x.Tap = &copied{mirror: m, request: req, length: x.Request.Length}
	return filter.Continue
}

// Finish implements filter.Finisher. A copy that has not been sent by now never will be.
func (m *mirror) Finish(x *filter.Exchange) {
	if c, ok := x.Tap.(*copied); ok && c.mirror == m {
		c.drop()
	}
}

// copied is the copy of one request.
type copied struct {
	mirror  *mirror
	request *http.Request
	// length is that of the body as the client declared it, or negative.
	length int64
	body   []byte
	// over says that it was sent or given up.
	over bool
}

// Tap implements filter.BodyTap.
func (c *copied) Tap(p []byte, end bool) {
	if c.over {
		return
	}
	if !c.mirror.withoutBody && len(p) > 0 && !c.keep(p) {
		c.drop()
		return
	}
	if end || c.mirror.withoutBody {
		c.over = true
		c.finishRequest()
		go c.send()
	}
}

// keep keeps a part of the body, if there is room for it.
func (c *copied) keep(p []byte) bool {
	if len(c.body)+len(p) > maxBody || !c.mirror.all.keep(int64(len(p))) {
		return false
	}
	if c.body == nil && c.length > 0 {
		c.body = make([]byte, 0, c.length)
	}
	c.body = append(c.body, p...)
	return true
}

// drop gives a copy up, unless it is over.
func (c *copied) drop() {
	if c.over {
		return
	}
	c.over = true
	c.mirror.end(int64(len(c.body)))
	c.mirror.counts.Dropped.Add(1)
	c.body = nil
}

// finishRequest gives the request its body.
func (c *copied) finishRequest() {
	if len(c.body) == 0 {
		c.request.Body = http.NoBody
		return
	}
	body := c.body
	c.request.ContentLength = int64(len(body))
	c.request.Body = io.NopCloser(bytes.NewReader(body))
	c.request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
}

// send sends the copy and throws the answer away.
func (c *copied) send() {
	m := c.mirror
	defer m.end(int64(len(c.body)))
	ctx, cancel := context.WithTimeout(m.ctx, timeout)
	defer cancel()
	res, err := m.http.RoundTrip(c.request.WithContext(ctx))
	if err != nil {
		m.counts.Failed.Add(1)
		return
	}
	m.counts.Answered.Add(1)
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		return
	}
	stop := time.AfterFunc(answerTime, cancel)
	defer stop.Stop()
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer) // for the connection's sake
}
