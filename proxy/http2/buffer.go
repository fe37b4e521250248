package http2

import (
	"errors"
	"io"
	"os"
	"sync"
)

const (
	// smallSize is the buffer for reading that a connection always has, in bytes: enough for the frames of a request.
	// It makes a conn 2 KiB, which is a size that the allocator has.
	smallSize = 784
	// largeSize is the buffer it borrows for bodies, and for many requests at once.
	largeSize = 2 * (maxPayload + headerSize)
	// firstOutput is how large a buffer for writing is at first.
	firstOutput = 2 << 10
	// blockSize is the unit in which bodies are kept, and scrapSize the one for small messages, so that many streams of a few bytes
	// each take no more than they weigh.
	blockSize = 16 << 10
	scrapSize = 2 << 10
)

// largeBuffers and blocks are memory and nothing else.
var (
	largeBuffers = sync.Pool{New: func() any { return new([largeSize]byte) }}
	blocks       = sync.Pool{New: func() any { return &block{data: make([]byte, blockSize)} }}
	scraps       = sync.Pool{New: func() any { return &block{data: make([]byte, scrapSize)} }}
	outputs      = sync.Pool{New: func() any { return new(outputBuffer) }}
)

// input is what was read and not yet used: buf[pos:end].
type input struct {
	buf      []byte
	pos, end int
	small    [smallSize]byte
	large    *[largeSize]byte
	much     bool  // the last read could have filled more than the small buffer
	partial  int64 // when the frame or head that has begun was first waited for; 0 for none
	armed    int64 // the deadline of the connection
}

// room returns where to read to, such that n bytes from pos on will fit.
func (b *input) room(n int) []byte {
	if b.pos == b.end {
		b.pos, b.end = 0, 0
		if b.large == nil && b.much && len(b.buf) == smallSize {
			b.large = largeBuffers.Get().(*[largeSize]byte)
			b.buf = b.large[:]
		} else if b.large != nil && n <= headerSize && !b.much {
			b.drop()
		}
	}
	rest := b.buf[b.pos:b.end]
	switch {
	case n > largeSize: // what an engine before us has read
		b.buf = append(make([]byte, 0, n), b.buf...)[:n]
	case n > len(b.buf):
		b.large = largeBuffers.Get().(*[largeSize]byte)
		b.buf = b.large[:]
		b.end = copy(b.buf, rest)
		b.pos = 0
	case b.pos+n > len(b.buf):
		b.end = copy(b.buf, rest)
		b.pos = 0
	}
	return b.buf[b.end:]
}

// got notes that n bytes were read.
func (b *input) got(n int) {
	b.end += n
	b.much = n >= smallSize || b.end == len(b.buf)
}

// drop gives the large buffer back. The input must be empty.
func (b *input) drop() {
	b.buf = b.small[:]
	largeBuffers.Put(b.large)
	b.large = nil
}

// release gives back what was borrowed.
func (b *input) release() {
	if b.large != nil {
		b.drop()
	}
}

// source is the connection that an input reads from.
type source interface {
	io.Reader
	// await is called before a read that may have to wait: what was queued leaves, deadlines are armed. It is false if the
	// connection is over. After a read that has met its deadline it decides whether it is time.
	await() bool
}

// need makes sure that n bytes are in the buffer, and reports whether they are.
func (b *input) need(from source, n int) bool {
	for b.end-b.pos < n {
		p := b.room(n)
		if !from.await() {
			return false
		}
		m, err := from.Read(p)
		if err != nil && m == 0 {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				b.armed = 0
				continue
			}
			return false
		}
		b.got(m)
	}
	return true
}

// frame reads the next frame. It is false at the end of the connection.
func (b *input) frame(from source) (f frame, code errCode, ok bool) {
	if !b.need(from, headerSize) {
		return f, 0, false
	}
	h := b.buf[b.pos:]
	n := int(h[0])<<16 | int(h[1])<<8 | int(h[2])
	f.kind, f.flags = frameType(h[3]), h[4]
	f.stream = (uint32(h[5])<<24 | uint32(h[6])<<16 | uint32(h[7])<<8 | uint32(h[8])) & (1<<31 - 1)
	if n > maxPayload {
		return f, codeFrameSize, true
	}
	if !b.need(from, headerSize+n) {
		return f, 0, false
	}
	f.payload = b.buf[b.pos+headerSize : b.pos+headerSize+n]
	b.pos += headerSize + n
	return f, codeNone, true
}

// block is a piece of a body.
type block struct {
	next     *block
	from, to int
	data     []byte
}

// borrowBlock returns an empty block for n bytes, or for as many of them as fit.
func borrowBlock(n int) *block {
	from := &blocks
	if n <= scrapSize {
		from = &scraps
	}
	b := from.Get().(*block)
	b.next, b.from, b.to = nil, 0, 0
	return b
}

// release gives the block back.
func (b *block) release() {
	if len(b.data) == scrapSize {
		scraps.Put(b)
		return
	}
	blocks.Put(b)
}

// queue is the part of a body that has come and was not read yet.
type queue struct {
	first, last *block
	size        int
}

// put appends bytes.
func (q *queue) put(p []byte) {
	q.size += len(p)
	for len(p) > 0 {
		if q.last == nil || q.last.to == len(q.last.data) {
			b := borrowBlock(len(p))
			if q.last == nil {
				q.first = b
			} else {
				q.last.next = b
			}
			q.last = b
		}
		n := copy(q.last.data[q.last.to:], p)
		q.last.to += n
		p = p[n:]
	}
}

// take moves bytes out of the queue.
func (q *queue) take(p []byte) (n int) {
	for len(p) > 0 && q.first != nil {
		b := q.first
		m := copy(p, b.data[b.from:b.to])
		b.from += m
		n += m
		p = p[m:]
		if b.from == b.to {
			q.shift()
		}
	}
	q.size -= n
	return n
}

// peek returns the first bytes of the queue, which stay where they are until skip.
func (q *queue) peek() []byte {
	if q.first == nil {
		return nil
	}
	return q.first.data[q.first.from:q.first.to]
}

// skip drops n bytes that peek has returned.
func (q *queue) skip(n int) {
	if n == 0 {
		return
	}
	q.size -= n
	if q.first.from += n; q.first.from == q.first.to {
		q.shift()
	}
}

// shift drops the first block.
func (q *queue) shift() {
	b := q.first
	if q.first = b.next; q.first == nil {
		q.last = nil
	}
	b.release()
}

// reset drops everything.
func (q *queue) reset() {
	for q.first != nil {
		q.shift()
	}
	q.size = 0
}
