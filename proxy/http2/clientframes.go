package http2

import (
	"encoding/binary"

	"github.com/yettproxy/yett/proxy/wire"
)

// What upstreams send. They are trusted more than clients, but not with our memory or time: the budgets of calm.go, and the
// limits of heads, hold for them, too.

// process acts on a frame. The code it returns ends the connection, unless it is codeNone.
func (c *ClientConn) process(f *frame) errCode {
	if c.head.stream != 0 && (f.kind != frameContinuation || f.stream != c.head.stream) {
		return codeProtocol // RFC 9113 section 4.3
	}
	switch f.kind {
	case frameHeaders:
		return c.onHeaders(f)
	case frameContinuation:
		return c.onContinuation(f)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.kind == frameData {
		return c.onData(f)
	}
	if !c.calm.frame() {
		return codeCalm
	}
	switch f.kind {
	case framePriority:
		switch {
		case f.stream == 0:
			return codeProtocol
		case len(f.payload) != 5:
			return codeFrameSize
		}
	case frameReset:
		return c.onReset(f)
	case frameSettings:
		return c.onSettings(f)
	case framePing:
		return c.onPing(f)
	case frameGoAway:
		return c.onGoAway(f)
	case frameWindowUpdate:
		return c.onWindowUpdate(f)
	case framePushPromise:
		return codeProtocol // we have forbidden it
	}
	return codeNone // frames that nobody knows are ignored (RFC 9113 section 5.5)
}

// begunLocked reports whether we have begun a stream with this number.
func (c *ClientConn) begunLocked(id uint32) bool { return id%2 == 1 && id < c.next }

// onHeaders begins the head of a response, or its trailers.
func (c *ClientConn) onHeaders(f *frame) errCode {
	block, ok := f.unpad()
	if !ok {
		return codeProtocol
	}
	if f.has(flagPriority) {
		if len(block) < 5 {
			return codeFrameSize
		}
		block = block[5:]
	}
	c.mu.Lock()
	if !c.begunLocked(f.stream) {
		c.mu.Unlock()
		return codeProtocol
	}
	s := c.streams[f.stream]
	c.head.begin(f.stream, s != nil, s != nil && s.final)
	c.mu.Unlock()
	c.head.end = f.has(flagEndStream)
	return c.fragment(block, f.has(flagEndHeaders))
}

// onContinuation goes on with a head.
func (c *ClientConn) onContinuation(f *frame) errCode {
	if c.head.stream == 0 {
		return codeProtocol
	}
	c.mu.Lock()
	calm := c.calm.frame()
	c.mu.Unlock()
	if !calm {
		return codeCalm
	}
	return c.fragment(f.payload, f.has(flagEndHeaders))
}

// fragment decodes a part of a head, also if nobody wants it: the table that both sides keep changes with it.
func (c *ClientConn) fragment(p []byte, last bool) errCode {
	h := &c.head
	if h.bytes += len(p) + headerSize; h.bytes > 2*clientHead {
		return codeCalm
	}
	if _, err := h.dec.Write(p); err != nil {
		return codeCompression
	}
	if !last {
		return codeNone
	}
	if h.dec.Close() != nil {
		return codeCompression
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.streams[h.stream]
	h.stream = 0
	if s != nil {
		s.headLocked(h)
	}
	return codeNone
}

// onData takes a piece of the body of a response.
func (c *ClientConn) onData(f *frame) errCode {
	if !c.begunLocked(f.stream) {
		return codeProtocol
	}
	data, ok := f.unpad()
	if !ok {
		return codeProtocol
	}
	end := f.has(flagEndStream)
	if len(data) == 0 && !end && !c.calm.frame() {
		return codeCalm
	}
	all := int64(len(f.payload))
	if c.recvWindow -= all; c.recvWindow < 0 {
		return codeFlowControl
	}
	if c.credit += all; c.credit >= connWindow/4 {
		c.out.buf = appendWindowUpdate(c.out.take(), 0, c.credit)
		c.recvWindow += c.credit
		c.credit = 0
	}
	if s := c.streams[f.stream]; s != nil {
		s.dataInLocked(data, all, end)
	}
	return codeNone
}

// onReset ends a stream that the upstream has given up.
func (c *ClientConn) onReset(f *frame) errCode {
	switch {
	case !c.begunLocked(f.stream):
		return codeProtocol
	case len(f.payload) != 4:
		return codeFrameSize
	}
	if s := c.streams[f.stream]; s != nil {
		code := binary.BigEndian.Uint32(f.payload)
		var why error = wire.ResetError(code)
		if errCode(code) == codeRefused {
			why = wire.ErrRefused
		}
		s.failLocked(why)
		delete(c.streams, f.stream)
	}
	return codeNone
}

// onSettings takes what the upstream says about itself.
func (c *ClientConn) onSettings(f *frame) errCode {
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
			if value != 0 {
				return codeProtocol // RFC 9113 section 6.5.2
			}
		case settingStreams:
			c.max = int(min(value, clientStreams))
		case settingWindow:
			if value > maxWindow || !c.changeWindowsLocked(int64(value)) {
				return codeFlowControl
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
func (c *ClientConn) changeWindowsLocked(first int64) bool {
	delta := first - c.firstWindow
	c.firstWindow = first
	for _, s := range c.streams {
		if s.window += delta; s.window > maxWindow {
			return false
		}
		s.canWrite.Signal()
	}
	return true
}

// onPing answers, or takes an answer.
func (c *ClientConn) onPing(f *frame) errCode {
	switch {
	case f.stream != 0:
		return codeProtocol
	case len(f.payload) != 8:
		return codeFrameSize
	case !f.has(flagAck):
		c.out.buf = appendPing(c.out.take(), flagAck, f.payload)
	}
	return codeNone // that something has come is all that we wanted to know
}

// onGoAway takes no further requests, and gives back those that the upstream has not begun with.
func (c *ClientConn) onGoAway(f *frame) errCode {
	switch {
	case f.stream != 0:
		return codeProtocol
	case len(f.payload) < 8:
		return codeFrameSize
	}
	last := binary.BigEndian.Uint32(f.payload) & (1<<31 - 1)
	for id, s := range c.streams {
		if id > last {
			s.failLocked(wire.ErrRefused)
			delete(c.streams, id)
		}
	}
	c.leaveLocked()
	return codeNone
}

// onWindowUpdate lets streams send more.
func (c *ClientConn) onWindowUpdate(f *frame) errCode {
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
	if !c.begunLocked(f.stream) {
		return codeProtocol
	}
	if s := c.streams[f.stream]; s != nil {
		if s.window += n; n == 0 || s.window > maxWindow {
			s.faultLocked(codeFlowControl, errFrame)
		}
		s.canWrite.Signal()
	}
	return codeNone
}
