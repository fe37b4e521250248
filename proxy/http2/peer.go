package http2

import (
	"crypto/tls"
	"encoding/binary"
	"iter"
	"net"
	"sync"
)

// Of most frames it does not matter who asks and who answers. What the two kinds of connection do alike is here: the order that
// frames must have, SETTINGS, PING, windows, heads as far as their fields. What a frame means to a request is theirs (process.go,
// clientframes.go).

// peer is the part of a connection that servers and clients have alike; conn and ClientConn embed it.
type peer struct {
	nc net.Conn

	// Only the goroutine that reads touches these.
	in  input
	dec decoder

	mu sync.Mutex
	// Everything below is guarded by mu.
	out         output
	calm        calm
	blocked     []*sender // wait for something of the connection's
	sendWindow  int64
	recvWindow  int64
	credit      int64 // bytes of bodies that count as consumed and were not yet granted again
	firstWindow int64 // what the other side grants to new streams
	clearTable  bool  // the next header block must begin with a table size update
	dead        bool
}

// init prepares for a connection of which nothing was read. The fields of a head go to a taker.
func (p *peer) init(nc net.Conn, owner outputOwner, heads taker) {
	p.nc = nc
	p.sendWindow, p.recvWindow, p.firstWindow = defaultWindow, connWindow, defaultWindow
	p.out.mu, p.out.nc, p.out.owner = &p.mu, nc, owner
	p.dec.taker, p.dec.most = heads, tableSize
	p.calm.init(clock())
	p.in.buf = p.in.small[:]
}

// cut closes the connection at once, without TLS's good-bye, which could block. Any goroutine may call it.
func (p *peer) cut() {
	t := p.nc
	if s, ok := t.(*tls.Conn); ok {
		t = s.NetConn()
	}
	t.Close()
}

// headBlock is a head on its way in: HEADERS and the CONTINUATION frames behind it.
type headBlock struct {
	bytes  int    // on the wire
	stream uint32 // of the head that has begun; 0 for none
	end    bool   // nothing follows
}

// follows reports whether a frame may come now: within a head nothing but its CONTINUATION frames, which come nowhere else (RFC 9113
// sections 4.3 and 6.10).
func (h *headBlock) follows(f *frame) bool {
	if h.stream == 0 {
		return f.kind != frameContinuation
	}
	return f.kind == frameContinuation && f.stream == h.stream
}

// fragment decodes a part of a head, and reports whether it was the last. It must be decoded also if nobody wants it, since the
// table that both sides keep changes with it; but nobody may make us decode for ever, hence a limit in bytes.
func (p *peer) fragment(h *headBlock, f *frame, block []byte, limit int) (whole bool, code errCode) {
	if h.bytes += len(block) + headerSize; h.bytes > limit {
		return false, codeCalm
	}
	if p.dec.write(block) != nil {
		return false, codeCompression
	}
	if !f.has(flagEndHeaders) {
		return false, codeNone
	}
	if p.dec.close() != nil {
		return false, codeCompression
	}
	return true, codeNone
}

// afford pays for a frame. It is false if there is nothing left to pay with.
func (p *peer) afford() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calm.frame()
}

// dataInLocked takes a DATA frame off the window of the connection, whatever becomes of it, and returns it without its padding.
func (p *peer) dataInLocked(f *frame) (data []byte, code errCode) {
	data, ok := f.unpad()
	if !ok {
		return nil, codeProtocol
	}
	if len(data) == 0 && !f.has(flagEndStream) && !p.calm.frame() {
		return nil, codeCalm
	}
	if p.recvWindow -= int64(len(f.payload)); p.recvWindow < 0 {
		return nil, codeFlowControl
	}
	return data, codeNone
}

// grantLocked lets the other side send more on the connection, once it is worth a frame.
func (p *peer) grantLocked(n int64) {
	if p.credit += n; p.credit < connWindow/4 || p.dead {
		return
	}
	p.out.buf = appendWindowUpdate(p.out.take(), 0, p.credit)
	p.recvWindow += p.credit
	p.credit = 0
}

// settingsLocked takes what the other side says about itself, and says so. The windows of all senders change with it; own is asked
// about every parameter, too, for what is different on the two sides.
func (p *peer) settingsLocked(f *frame, senders iter.Seq[*sender], own func(id uint16, value uint32) errCode) errCode {
	switch {
	case f.stream != 0:
		return codeProtocol
	case f.has(flagAck) && len(f.payload) != 0, len(f.payload)%6 != 0:
		return codeFrameSize
	case f.has(flagAck):
		return codeNone
	}
	for b := f.payload; len(b) > 0; b = b[6:] {
		id, value := binary.BigEndian.Uint16(b), binary.BigEndian.Uint32(b[2:])
		switch id {
		case settingTableSize:
			p.clearTable = p.clearTable || value < tableSize
		case settingWindow:
			if value > maxWindow || !p.firstWindowLocked(int64(value), senders) {
				return codeFlowControl
			}
		case settingFrameSize:
			if value < maxPayload || value > 1<<24-1 {
				return codeProtocol
			}
		}
		if code := own(id, value); code != codeNone {
			return code
		}
	}
	p.out.buf = appendHeader(p.out.take(), 0, frameSettings, flagAck, 0)
	return codeNone
}

// firstWindowLocked changes the windows of all streams (RFC 9113 section 6.9.2). They may become negative; it is false if one
// becomes too large.
func (p *peer) firstWindowLocked(first int64, senders iter.Seq[*sender]) bool {
	delta := first - p.firstWindow
	p.firstWindow = first
	for s := range senders {
		if s.window += delta; s.window > maxWindow {
			return false
		}
		s.canWrite.Signal()
	}
	return true
}

// pingLocked answers a PING, or reports that one of ours was answered.
func (p *peer) pingLocked(f *frame) (answered bool, code errCode) {
	switch {
	case f.stream != 0:
		return false, codeProtocol
	case len(f.payload) != 8:
		return false, codeFrameSize
	case f.has(flagAck):
		return true, codeNone
	}
	p.out.buf = appendPing(p.out.take(), flagAck, f.payload)
	return false, codeNone
}

// windowLocked lets streams send more, if a WINDOW_UPDATE is about the connection. If it is about a stream, n is for that.
func (p *peer) windowLocked(f *frame) (n int64, code errCode) {
	if len(f.payload) != 4 {
		return 0, codeFrameSize
	}
	n = int64(binary.BigEndian.Uint32(f.payload) & (1<<31 - 1))
	if f.stream != 0 {
		return n, codeNone
	}
	if n == 0 {
		return 0, codeProtocol
	}
	if p.sendWindow += n; p.sendWindow > maxWindow {
		return 0, codeFlowControl
	}
	p.wakeBlockedLocked()
	return 0, codeNone
}
