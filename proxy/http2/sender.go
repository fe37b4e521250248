package http2

import (
	"slices"
	"sync"
)

// Streams wait for windows and for room in the output of their connection, never for memory. A stream that lacks something of its
// own is woken by whoever gives it that; one that lacks what all share stands in a list (peer.blocked), and all in it are woken
// together when there is some again.

// sender is the half of a stream that sends, on either side. The lock of the connection guards it.
type sender struct {
	id       uint32 // of the stream; 0 for one of a client that has not begun
	stuck    bool   // in peer.blocked
	window   int64  // what the other side grants
	canWrite sync.Cond
}

// widenLocked adds to the window what a WINDOW_UPDATE has granted. The code, unless it is codeNone, is for the stream.
func (s *sender) widenLocked(n int64) errCode {
	switch {
	case n == 0:
		return codeProtocol // RFC 9113 section 6.9
	case s.window+n > maxWindow:
		return codeFlowControl
	}
	s.window += n
	s.canWrite.Signal()
	return codeNone
}

// headOutLocked queues a header block and returns how many bytes its frames have.
func (p *peer) headOutLocked(s *sender, block []byte, flags uint8) int {
	if p.clearTable {
		// RFC 7541 section 4.2: the other side has made the table smaller, and we do not use it.
		p.clearTable = false
		block = append([]byte{0x20}, block...)
	}
	before := len(p.out.take())
	p.out.buf = appendBlock(p.out.buf, s.id, flags, block)
	return len(p.out.buf) - before
}

// dataOutLocked queues a DATA frame with as much of b as the other side grants, and returns how much that is. It is false if nothing
// can go now. With end the stream ends behind b.
func (p *peer) dataOutLocked(s *sender, b []byte, end bool) (n int64, ok bool) {
	if n = int64(len(b)); n > 0 {
		n = min(n, s.window, p.sendWindow, maxPayload)
	}
	if len(p.out.buf) >= outputLimit || n <= 0 && len(b) > 0 {
		return 0, false
	}
	flags := uint8(0)
	if end && int(n) == len(b) {
		flags = flagEndStream
	}
	p.out.buf = append(appendHeader(p.out.take(), int(n), frameData, flags, s.id), b[:n]...)
	s.window -= n
	p.sendWindow -= n
	return n, true
}

// waitLocked waits until the other side grants more, or there is room for frames again, or the stream is over.
func (p *peer) waitLocked(s *sender) {
	if shared := s.window > 0 || len(p.out.buf) >= outputLimit; shared && !s.stuck {
		s.stuck = true
		p.blocked = append(p.blocked, s)
	}
	s.canWrite.Wait()
	if s.stuck { // woken for another reason
		s.stuck = false
		at := slices.Index(p.blocked, s)
		p.blocked = slices.Delete(p.blocked, at, at+1)
	}
}

// wakeBlockedLocked wakes the streams that wait for something of the connection's.
func (p *peer) wakeBlockedLocked() {
	for i, s := range p.blocked {
		s.stuck = false
		s.canWrite.Signal()
		p.blocked[i] = nil
	}
	p.blocked = p.blocked[:0]
}
