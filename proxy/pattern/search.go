package pattern

// How a program is run; see program.go.

import (
	"regexp/syntax"
	"strings"
	"sync"
	"unicode/utf8"
)

// maxBits bounds the bitmap of a search, in bits. Texts that need more go to regexp.
const maxBits = 128 << 10

// fits reports whether a text of n bytes can be searched within the bounds.
func (p *program) fits(n int) bool { return p.alts*(n+1) <= maxBits }

// job is a way not taken yet: go on at pc and pos; or, if slot is set, give the slot its old value back.
type job struct {
	pc, pos int32
	slot    int32
}

// machine is the memory of a search.
type machine struct {
	seen []uint64
	jobs []job
	caps [2 * Groups]int
}

// machines lends memory to searches. It holds no state.
var machines = sync.Pool{New: func() any { return new(machine) }}

// run searches s, which begins with the lead. If dst is not nil it receives the captures.
func (p *program) run(s string, dst *[Groups]string) bool {
	m := machines.Get().(*machine)
	words := (p.alts*(len(s)+1) + 63) / 64
	if cap(m.seen) < words {
		m.seen = make([]uint64, words, 2*words)
	}
	m.seen = m.seen[:words]
	clear(m.seen)
	if dst != nil {
		for i := range m.caps {
			m.caps[i] = -1
		}
	}
	found := false
	for pos := p.from; pos <= len(s) && !found; pos++ {
		if m.caps[0] = pos; p.anchored {
			m.caps[0] = 0
		}
		found = p.try(m, s, pos, dst != nil)
		if p.anchored {
			break
		}
	}
	if found && dst != nil {
		fill(dst, s, m.caps[:])
	}
	machines.Put(m)
	return found
}

// try searches s for a match that begins at pos.
func (p *program) try(m *machine, s string, pos int, captures bool) bool {
	m.jobs = append(m.jobs[:0], job{pc: int32(p.start), pos: int32(pos), slot: -1})
	for len(m.jobs) > 0 {
		j := m.jobs[len(m.jobs)-1]
		m.jobs = m.jobs[:len(m.jobs)-1]
		if j.slot >= 0 {
			m.caps[j.slot] = int(j.pos)
			continue
		}
		if end := p.follow(m, s, uint32(j.pc), int(j.pos), captures); end >= 0 {
			m.caps[1] = end
			return true
		}
	}
	return false
}

// follow runs from pc until the way matches, and returns where, or fails, and returns -1. The ways that it
// does not take become jobs.
func (p *program) follow(m *machine, s string, pc uint32, pos int, captures bool) int {
	for {
		in := &p.code[pc]
		pc = in.out
		switch in.op {
		case opMatch:
			return pos
		case opAlt:
			bit := int(in.number)*(len(s)+1) + pos
			if m.seen[bit/64]&(1<<(bit%64)) != 0 {
				return -1
			}
			m.seen[bit/64] |= 1 << (bit % 64)
			m.jobs = append(m.jobs, job{pc: int32(in.arg), pos: int32(pos), slot: -1})
		case opSave:
			if captures && in.arg < uint32(len(m.caps)) {
				m.jobs = append(m.jobs, job{pos: int32(m.caps[in.arg]), slot: int32(in.arg)})
				m.caps[in.arg] = pos
			}
		case opEmpty:
			if in.arg != 0 && syntax.EmptyOp(in.arg)&^conditions(s, pos) != 0 {
				return -1
			}
		case opTailAny:
			pos, pc = len(s), in.arg
		case opTailLine:
			if n := strings.IndexByte(s[pos:], '\n'); n >= 0 {
				pos += n
			} else {
				pos = len(s)
			}
			pc = in.arg
		default:
			n := in.width(s, pos)
			if n == 0 {
				return -1
			}
			pos += n
		}
	}
}

// width returns the length of the character at pos if the instruction accepts it, else 0.
func (i *instruction) width(s string, pos int) int {
	if pos >= len(s) {
		return 0
	}
	r, n := rune(s[pos]), 1
	switch i.op {
	case opByte:
		if s[pos] == i.char {
			return 1
		}
		return 0
	case opFold:
		if s[pos] == i.char || s[pos]|0x20 == i.char && i.char-'a' < 26 {
			return 1
		}
		return 0
	}
	if r >= utf8.RuneSelf {
		r, n = utf8.DecodeRuneInString(s[pos:])
	}
	if i.op == opAny || i.op == opLine && r != '\n' || i.op == opRune && i.set.MatchRune(r) {
		return n
	}
	return 0
}

// conditions returns the empty-width conditions that hold at pos.
func conditions(s string, pos int) syntax.EmptyOp {
	before, after := rune(-1), rune(-1)
	if pos > 0 {
		before, _ = utf8.DecodeLastRuneInString(s[:pos])
	}
	if pos < len(s) {
		after, _ = utf8.DecodeRuneInString(s[pos:])
	}
	return syntax.EmptyOpContext(before, after)
}
