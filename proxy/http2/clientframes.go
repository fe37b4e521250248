package http2

import (
	"encoding/binary"

	"github.com/yettproxy/yett/proxy/wire"
)

// What upstreams send. They are trusted more than clients, but not with our memory or time: the budgets of calm.go, and the
// limits of heads, hold for them, too.

// process acts on a frame. The code it returns ends the connection, unless it is codeNone.
func (c *ClientConn) process(f *frame) errCode {
	if !c.head.follows(f) {
		return codeProtocol
	}
	switch f.kind {
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
		return c.settingsLocked(f, c.sendersLocked, c.settingLocked)
	case framePing:
		_, code := c.pingLocked(f) // that something has come is all that we wanted to know
		return code
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
	block, _, code := f.block()
	if code != codeNone {
		return code
	}
	c.mu.Lock()
	if !c.begunLocked(f.stream) {
		c.mu.Unlock()
		return codeProtocol
	}
	s := c.streams[f.stream]
	c.head.begin(f.stream, s != nil && s.final)
	c.mu.Unlock()
	c.dec.silent = s == nil
	c.head.end = f.has(flagEndStream)
	return c.fragment(f, block)
}

// fragment takes a part of a head, and acts on the whole.
func (c *ClientConn) fragment(f *frame, block []byte) errCode {
	h := &c.head
	if whole, code := c.peer.fragment(&h.headBlock, f, block, 2*clientHead); !whole {
		return code
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
	data, code := c.dataInLocked(f)
	if code != codeNone {
		return code
	}
	all := int64(len(f.payload))
	c.grantLocked(all)
	if s := c.streams[f.stream]; s != nil {
		s.dataInLocked(data, all, f.has(flagEndStream))
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

// settingLocked takes what an upstream says about itself and a client would not.
func (c *ClientConn) settingLocked(id uint16, value uint32) errCode {
	switch {
	case id == settingStreams:
		c.max = int(min(value, clientStreams))
	case id == settingPush && value != 0:
		return codeProtocol // RFC 9113 section 6.5.2
	}
	return codeNone
}

// sendersLocked are the streams that know a window.
func (c *ClientConn) sendersLocked(yield func(*sender) bool) {
	for _, s := range c.streams {
		if !yield(&s.sender) {
			return
		}
	}
}

// onGoAway takes no further requests, and gives back those that the upstream has not begun with.
func (c *ClientConn) onGoAway(f *frame) errCode {
	last, code := f.goAway()
	if code != codeNone {
		return code
	}
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
	n, code := c.windowLocked(f)
	switch {
	case code != codeNone || f.stream == 0:
		return code
	case !c.begunLocked(f.stream):
		return codeProtocol
	}
	if s := c.streams[f.stream]; s != nil {
		if code := s.widenLocked(n); code != codeNone {
			s.faultLocked(code, errFrame)
		}
	}
	return codeNone
}
