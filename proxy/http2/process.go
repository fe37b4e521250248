package http2

import (
	"encoding/binary"
	"io"
)

// process acts on a frame. The code it returns ends the connection, unless it is codeNone.
func (c *conn) process(f *frame) errCode {
	if !c.head.follows(f) {
		return codeProtocol
	}
	switch f.kind {
	case frameData:
		return c.onData(f)
	case frameHeaders:
		return c.onHeaders(f)
	case frameContinuation:
		if !c.afford() {
			return codeCalm
		}
		return c.fragment(f, f.payload)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.calm.frame() {
		return codeCalm
	}
	switch f.kind {
	case framePriority:
		return c.onPriority(f)
	case frameReset:
		return c.onReset(f)
	case frameSettings:
		return c.settingsLocked(f, c.sendersLocked, c.settingLocked)
	case framePing:
		answered, code := c.pingLocked(f)
		if answered && [8]byte(f.payload) == leavePing {
			c.leftLocked()
		}
		return code
	case frameWindowUpdate:
		return c.onWindowUpdate(f)
	case framePushPromise:
		return codeProtocol
	case frameGoAway:
		_, code := f.goAway() // a client has nothing that could be given back to us
		return code
	}
	return codeNone // frames that nobody knows are ignored (RFC 9113 section 5.5)
}

// faultLocked resets a stream for a fault of the client's.
func (c *conn) faultLocked(s *stream, code errCode, body error) errCode {
	s.failBodyLocked(body)
	s.resetLocked(code, errRuined)
	s.gone.Store(true)
	if !c.calm.reset() {
		return codeCalm
	}
	return codeNone
}

// strayLocked answers a frame on a stream that is closed.
func (c *conn) strayLocked(id uint32) errCode {
	for _, r := range c.recent {
		if r == id {
			return codeNone // sent before the client knew
		}
	}
	c.out.buf = appendReset(c.out.take(), id, codeStreamClosed)
	if !c.calm.reset() {
		return codeCalm
	}
	return codeNone
}

// onData takes a piece of a request body.
func (c *conn) onData(f *frame) errCode {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.stream == 0 || f.stream > c.last && c.leaving != final {
		return codeProtocol
	}
	data, code := c.dataInLocked(f)
	if code != codeNone {
		return code
	}
	all := int64(len(f.payload))
	s := c.streams[f.stream]
	if s == nil {
		c.grantLocked(all)
		return c.strayLocked(f.stream)
	}
	b := &s.body
	if b.err != nil && b.err != io.EOF { // it came too slowly, and is about to be answered
		c.grantLocked(all)
		return codeNone
	}
	if b.err != nil {
		c.grantLocked(all)
		return c.faultLocked(s, codeStreamClosed, errBodyFrame)
	}
	if b.window -= all; b.window < 0 {
		c.grantLocked(all)
		return c.faultLocked(s, codeFlowControl, errBodyFrame)
	}
	if n := b.received.Add(int64(len(data))); b.declared >= 0 && n > b.declared {
		c.grantLocked(all)
		return c.faultLocked(s, codeProtocol, errBodyLength)
	}
	b.data.put(data)
	if padding := all - int64(len(data)); padding > 0 {
		s.grantLocked(padding)
		c.grantLocked(padding)
	}
	if f.has(flagEndStream) {
		if !s.endBodyLocked() {
			return c.faultLocked(s, codeProtocol, errBodyLength)
		}
	} else if len(data) > 0 {
		b.canRead.Broadcast()
	}
	return codeNone
}

// onPriority ignores what RFC 9113 section 5.3 has deprecated.
func (c *conn) onPriority(f *frame) errCode {
	switch {
	case f.stream == 0:
		return codeProtocol
	case len(f.payload) != 5:
		return c.priorityFaultLocked(f.stream, codeFrameSize)
	case binary.BigEndian.Uint32(f.payload)&(1<<31-1) == f.stream:
		return c.priorityFaultLocked(f.stream, codeProtocol)
	}
	return codeNone
}

// priorityFaultLocked answers a PRIORITY frame that is none: it is an error of its stream (RFC 9113 section 6.3), but idle
// streams cannot be reset.
func (c *conn) priorityFaultLocked(id uint32, code errCode) errCode {
	if s := c.streams[id]; s != nil {
		return c.faultLocked(s, code, errBodyFrame)
	}
	if id <= c.last {
		return codeNone
	}
	return code
}

// onReset ends a stream that the client has given up.
func (c *conn) onReset(f *frame) errCode {
	switch {
	case f.stream == 0 || f.stream > c.last && c.leaving != final:
		return codeProtocol
	case len(f.payload) != 4:
		return codeFrameSize
	}
	s := c.streams[f.stream]
	if s == nil {
		return codeNone
	}
	s.forgetLocked()
	s.lostLocked(errReset)
	if !c.calm.reset() {
		return codeCalm
	}
	return codeNone
}

// settingLocked takes what a client says about itself and a server would not.
func (c *conn) settingLocked(id uint16, value uint32) errCode {
	if id == settingPush && value > 1 {
		return codeProtocol
	}
	return codeNone
}

// sendersLocked are the streams that know a window.
func (c *conn) sendersLocked(yield func(*sender) bool) {
	for _, s := range c.streams {
		if !yield(&s.sender) {
			return
		}
	}
}

// onWindowUpdate lets streams send more.
func (c *conn) onWindowUpdate(f *frame) errCode {
	n, code := c.windowLocked(f)
	switch {
	case code != codeNone || f.stream == 0:
		return code
	case f.stream > c.last && c.leaving != final:
		return codeProtocol
	}
	if s := c.streams[f.stream]; s != nil {
		if code := s.widenLocked(n); code != codeNone {
			return c.faultLocked(s, code, errBodyFrame)
		}
	}
	return codeNone
}
