package http1

import (
	"encoding/binary"
	"math/bits"
	"unsafe"

	"github.com/yettproxy/yett/proxy/wire"
)

// Field lines are scanned once, byte by byte through a table for the name and eight bytes at a time for the
// value, and handed on as views into the buffer. A scan that runs out of bytes remembers where its
// line began and goes on there when more have come; what is malformed is found at its first byte, so a sender of
// rubbish is answered at once and not when it has sent a whole head.

// verdict is what a scan came to.
type verdict uint8

const (
	// needMore says that the buffer ends before the head does.
	needMore verdict = iota
	// complete says that the empty line was reached.
	complete
	// malformed says that the bytes are no head.
	malformed
	// tooLarge says that a limit was passed.
	tooLarge
)

// taker is given the fields that frame a message.
type taker interface {
	// take looks at a field and says whether it stays in the list, and whether it may be there at all.
	take(f wire.Field) (keep, ok bool)
}

// lines scans the field lines of a head or of trailers.
type lines struct {
	pos   int // where in the buffer the next line begins
	count int // lines so far, those dropped included

	maxLine, maxCount int
	underscores       bool
	dropAccel         bool // drop nginx's X-Accel-* family
	taker             taker
	taken             uint64 // the fields that taker is given, a bit for each ID
}

// scan goes on at pos. After complete, pos is behind the empty line.
func (l *lines) scan(b []byte, out *wire.Fields) verdict {
	i := l.pos
	odd := uint64(0)
	if l.dropAccel {
		odd = 1 << wire.Other
	}
	for {
		start := i
		if i < len(b) && b[i] == '\r' {
			if i+1 == len(b) {
				return needMore
			}
			if b[i+1] != '\n' {
				return malformed
			}
			l.pos = i + 2
			return complete
		}
		var seen wire.Class
		for i < len(b) {
			c := wire.ClassOf(b[i])
			if c&wire.TokenByte == 0 {
				break
			}
			seen |= c
			i++
		}
		if i == len(b) {
			return l.partial(len(b) - start)
		}
		if b[i] != ':' || i == start { // also obs-fold, white space before the colon, bare CR and LF
			return malformed
		}
		name := view(b, start, i)
		i++
		for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
			i++
		}
		value := i
		i = endOfValue(b, i)
		if i+1 >= len(b) || b[i] != '\r' || b[i+1] != '\n' {
			if i < len(b) && (b[i] != '\r' || i+1 < len(b)) {
				return malformed
			}
			return l.partial(len(b) - start)
		}
		end := i
		for end > value && (b[end-1] == ' ' || b[end-1] == '\t') {
			end--
		}
		i += 2
		if l.count++; l.count > l.maxCount || i-start > l.maxLine+2 {
			return tooLarge
		}
		id := wire.Lookup(name)
		if (l.taken|odd)>>id&1 == 0 && seen&(wire.OddByte|wire.UnderscoreByte) == 0 {
			f := out.Extend()
			f.Name, f.Value, f.ID = name, view(b, value, end), id
		} else if !l.add(out, wire.Field{Name: name, Value: view(b, value, end), ID: id}, seen) {
			return malformed
		}
		l.pos = i
	}
}

// partial judges a line of which n bytes have come.
func (l *lines) partial(n int) verdict {
	if n > l.maxLine || l.count >= l.maxCount && n > 0 {
		return tooLarge
	}
	return needMore
}

// add appends a field unless it is one to be dropped. It is false for a field that must not be there.
func (l *lines) add(out *wire.Fields, f wire.Field, seen wire.Class) bool {
	if seen.Rule(f.Name, l.underscores) != wire.KeepField {
		return true
	}
	if l.taken>>f.ID&1 != 0 {
		keep, ok := l.taker.take(f)
		if !ok || !keep {
			return ok
		}
	}
	if l.dropAccel && f.ID == wire.Other && isAccel(f.Name) {
		return true
	}
	out.Append(f)
	return true
}

// isAccel reports whether a field is one of nginx's instructions from an upstream to its proxy. They are
// not obeyed, and must not reach a client that is an nginx itself.
func isAccel(name string) bool {
	const prefix = "X-Accel-"
	return len(name) > len(prefix) && name[1] == '-' && wire.EqualFold(name[:len(prefix)], prefix)
}

// endOfValue returns where the value that begins at i ends: at the first control character other than
// TAB, or at the end of b.
func endOfValue(b []byte, i int) int {
	for {
		i = nextControl(b, i)
		if i == len(b) || b[i] != '\t' {
			return i
		}
		i++
	}
}

// nextControl returns the index of the first control character from i on, or len(b).
func nextControl(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		if w := wire.Controls(binary.LittleEndian.Uint64(b[i:])); w != 0 {
			return i + bits.TrailingZeros64(w)/8
		}
	}
	for i < len(b) && b[i] >= 0x20 && b[i] != 0x7f {
		i++
	}
	return i
}

// view returns b[from:to] as a string without copying it.
func view(b []byte, from, to int) string {
	return unsafe.String(unsafe.SliceData(b[from:to]), to-from)
}
