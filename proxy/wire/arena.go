package wire

import "unsafe"

// Arena is the memory of one exchange: bytes that filters and engines compose while it runs. A string
// taken from it stays valid until Reset, also when the arena grows: growing starts a new block and
// leaves the old one to the strings that point into it.
type Arena struct {
	buf []byte
}

// arenaBlock is the first block an arena asks for, in bytes: enough for a small exchange. Each further one is twice as large, and the
// largest is kept, so that an arena soon has what its exchanges need.
const arenaBlock = 1024

// arenaKeep is the largest block kept between exchanges, in bytes.
const arenaKeep = 32 << 10

// Reset forgets everything taken from the arena. Strings taken before must not be used any more.
func (a *Arena) Reset() {
	if cap(a.buf) > arenaKeep {
		a.buf = nil
		return
	}
	a.buf = a.buf[:0]
}

// Begin returns an empty slice at the end of the arena to append to; End takes it back as a string.
// Between the two no other method of the arena may be called.
func (a *Arena) Begin() []byte {
	if cap(a.buf)-len(a.buf) < 64 {
		a.buf = make([]byte, 0, max(arenaBlock, min(2*cap(a.buf), arenaKeep)))
	}
	return a.buf[len(a.buf):len(a.buf):cap(a.buf)]
}

// End closes what Begin began and returns it as a string that is valid until Reset.
func (a *Arena) End(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	room := a.buf[len(a.buf):cap(a.buf)]
	if len(room) > 0 && unsafe.SliceData(b) == unsafe.SliceData(room) {
		a.buf = a.buf[:len(a.buf)+len(b)]
	} else {
		a.buf = b // append moved it to a block of its own; go on behind it
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// Copy returns a copy of b as a string that is valid until Reset.
func (a *Arena) Copy(b []byte) string {
	return a.End(append(a.Begin(), b...))
}

// Concat returns the parts joined, valid until Reset.
func (a *Arena) Concat(parts ...string) string {
	b := a.Begin()
	for _, p := range parts {
		b = append(b, p...)
	}
	return a.End(b)
}

// View returns b as a string without copying it. The string is valid as long as b is not written to.
func View(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// Bytes returns the bytes of s without copying them. They must not be written to.
func Bytes(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s))
}
