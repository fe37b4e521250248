package http2

import "sync"

const (
	// smallSize is the buffer for reading that a connection always has, in bytes: enough for the frames of a request.
	smallSize = 1 << 10
	// largeSize is the buffer it borrows for bodies, and for many requests at once.
	largeSize = 2 * (maxPayload + headerSize)
	// firstOutput is how large a buffer for writing is at first.
	firstOutput = 2 << 10
	// blockSize is the unit in which request bodies are kept.
	blockSize = 16 << 10
)

// largeBuffers and blocks are memory and nothing else.
var (
	largeBuffers = sync.Pool{New: func() any { return new([largeSize]byte) }}
	blocks       = sync.Pool{New: func() any { return new(block) }}
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

// block is a piece of a request body.
type block struct {
	next     *block
	from, to int
	data     [blockSize]byte
}

// queue is the part of a request body that has come and was not read yet.
type queue struct {
	first, last *block
	size        int
}

// put appends bytes.
func (q *queue) put(p []byte) {
	q.size += len(p)
	for len(p) > 0 {
		if q.last == nil || q.last.to == blockSize {
			b := blocks.Get().(*block)
			b.next, b.from, b.to = nil, 0, 0
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

// shift drops the first block.
func (q *queue) shift() {
	b := q.first
	if q.first = b.next; q.first == nil {
		q.last = nil
	}
	blocks.Put(b)
}

// reset drops everything.
func (q *queue) reset() {
	for q.first != nil {
		q.shift()
	}
	q.size = 0
}
