package http2

import (
	"encoding/binary"
	"io"
)

// process acts on a frame. The code it returns ends the connection, unless it is codeNone.
func (c *conn) process(f *frame) errCode {
	if c.head.stream != 0 && (f.kind != frameContinuation || f.stream != c.head.stream) {
		return codeProtocol // RFC 9113 section 4.3
	}
	switch f.kind {
	case frameData:
		return c.onData(f)
	case frameHeaders:
		return c.onHeaders(f)
	case frameContinuation:
		return c.onContinuation(f)
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
		return c.onSettings(f)
	case framePing:
		return c.onPing(f)
	case frameWindowUpdate:
		return c.onWindowUpdate(f)
	case framePushPromise:
		return codeProtocol
	case frameGoAway:
		if f.stream != 0 {
			return codeProtocol
		}
		if len(f.payload) < 8 {
			return codeFrameSize
		}
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
	data, ok := f.unpad()
	if !ok {
		return codeProtocol
	}
	all := int64(len(f.payload))
	end := f.has(flagEndStream)
	if len(data) == 0 && !end && !c.calm.frame() {
		return codeCalm
	}
	if c.recvWindow -= all; c.recvWindow < 0 {
		return codeFlowControl
	}
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
	if end {
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

// onSettings takes what the client says about itself.
func (c *conn) onSettings(f *frame) errCode {
	switch {
	case f.stream != 0:
		return codeProtocol
	case f.has(flagAck) && len(f.payload) != 0, len(f.payload)%6 != 0:
		return codeFrameSize
	case f.has(flagAck):
		return codeNone
	}
	for p := f.payload; len(p) > 0; p = p[6:] {
		value := binary.BigEndian.Uint32(p[2:])
		switch binary.BigEndian.Uint16(p) {
		case settingTableSize:
			c.clearTable = c.clearTable || value < tableSize
		case settingPush:
			if value > 1 {
				return codeProtocol
			}
		case settingWindow:
			if value > maxWindow {
				return codeFlowControl
			}
			if code := c.changeWindowsLocked(int64(value)); code != codeNone {
				return code
			}
		case settingFrameSize:
			if value < maxPayload || value > 1<<24-1 {
				return codeProtocol
			}
		}
	}
	c.out.buf = appendHeader(c.out.take(), 0, frameSettings, flagAck, 0)
	return codeNone
}

// changeWindowsLocked changes the windows of all streams (RFC 9113 section 6.9.2). They may become negative.
func (c *conn) changeWindowsLocked(first int64) errCode {
	delta := first - c.firstWindow
	c.firstWindow = first
	for _, s := range c.streams {
		if s.window += delta; s.window > maxWindow {
			return codeFlowControl
		}
		s.canWrite.Signal()
	}
	return codeNone
}

// onPing answers.
func (c *conn) onPing(f *frame) errCode {
	switch {
	case f.stream != 0:
		return codeProtocol
	case len(f.payload) != 8:
		return codeFrameSize
	case !f.has(flagAck):
		c.out.buf = appendPing(c.out.take(), flagAck, f.payload)
	case [8]byte(f.payload) == leavePing:
		c.leftLocked()
	}
	return codeNone
}

// onWindowUpdate lets streams send more.
func (c *conn) onWindowUpdate(f *frame) errCode {
	if len(f.payload) != 4 {
		return codeFrameSize
	}
	n := int64(binary.BigEndian.Uint32(f.payload) & (1<<31 - 1))
	if f.stream == 0 {
		if n == 0 {
			return codeProtocol
		}
		if c.sendWindow += n; c.sendWindow > maxWindow {
			return codeFlowControl
		}
		c.wakeBlockedLocked()
		return codeNone
	}
	if f.stream > c.last && c.leaving != final {
		return codeProtocol
	}
	s := c.streams[f.stream]
	switch {
	case s == nil:
		return codeNone
	case n == 0:
		return c.faultLocked(s, codeProtocol, errBodyFrame)
	case s.window+n > maxWindow:
		return c.faultLocked(s, codeFlowControl, errBodyFrame)
	}
	s.window += n
	s.canWrite.Signal()
	return codeNone
}
