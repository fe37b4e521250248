package pattern

// The matcher for what RE2 can express: a backtracking search over the program that regexp/syntax
// compiles, with a bitmap of the places it has been to, so that it visits each at most once and its time is
// linear in program times text. It is regexp's own backtracker over again, for one reason: regexp
// allocates the result of every search with captures, and rewrites take captures out of every request.
//
// The surprise is in what is remembered. Only alternatives (InstAlt) are marked in the bitmap: between
// two of them the program runs straight, so it can neither loop nor fan out without passing one.

import (
	"regexp/syntax"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Bounds of a search. Larger programs are refused, longer texts go to regexp.
const (
	maxInstructions = 20000
	maxBits         = 128 << 10
)

// op is what an instruction does.
type op uint8

const (
	opFail op = iota
	opMatch
	opAlt   // try out, then arg; number is its place in the bitmap
	opSave  // note the position in slot arg
	opEmpty // go on if the conditions in arg hold
	opByte  // one ASCII character
	opFold  // one ASCII letter in either case
	opRune  // a character of set
	opAny   // any character
	opLine  // any character but a line feed
	opTailAny
	opTailLine // greedy repetition after which nothing can fail: take all there is
)

// instruction is one step of a program.
type instruction struct {
	op       op
	char     byte
	out, arg uint32
	number   uint32
	set      *syntax.Inst
}

// program is a compiled expression.
type program struct {
	code     []instruction
	start    uint32
	alts     int
	anchored bool
	// from is where searches begin: behind the lead, which has been compared before.
	from int
}

// newProgram compiles a parsed expression.
func newProgram(tree *syntax.Regexp) (*program, error) {
	prog, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return nil, err
	}
	if len(prog.Inst) > maxInstructions {
		return nil, errTooComplex
	}
	p := &program{code: make([]instruction, len(prog.Inst)), start: uint32(prog.Start)}
	p.anchored = prog.StartCond()&syntax.EmptyBeginText != 0
	for i := range prog.Inst {
		p.code[i] = translate(&prog.Inst[i])
		if p.code[i].op == opAlt {
			p.code[i].number = uint32(p.alts)
			p.alts++
		}
	}
	for i := range p.code {
		p.findTail(uint32(i))
	}
	return p, nil
}

// translate turns an instruction of regexp/syntax into ours.
func translate(in *syntax.Inst) instruction {
	i := instruction{out: in.Out, arg: in.Arg}
	switch in.Op {
	case syntax.InstMatch:
		i.op = opMatch
	case syntax.InstAlt, syntax.InstAltMatch:
		i.op = opAlt
	case syntax.InstCapture:
		i.op = opSave
	case syntax.InstNop:
		i.op = opEmpty
		i.arg = 0
	case syntax.InstEmptyWidth:
		i.op = opEmpty
	case syntax.InstRuneAny:
		i.op = opAny
	case syntax.InstRuneAnyNotNL:
		i.op = opLine
	case syntax.InstRune, syntax.InstRune1:
		i.op, i.set = opRune, in
		if r := in.Rune; len(r) == 1 && r[0] < utf8.RuneSelf {
			fold := syntax.Flags(in.Arg)&syntax.FoldCase != 0
			switch c := unicode.ToLower(r[0]); {
			case !fold:
				i.op, i.char = opByte, byte(r[0])
			case c != 'k' && c != 's': // the two with a third form beyond ASCII
				i.op, i.char = opFold, byte(c)
			}
		}
	}
	return i
}

// findTail marks a greedy ".*" after which the program cannot fail.
func (p *program) findTail(pc uint32) {
	alt := &p.code[pc]
	if alt.op != opAlt {
		return
	}
	body := &p.code[alt.out]
	if body.op != opAny && body.op != opLine || body.out != pc {
		return
	}
	for next := alt.arg; ; next = p.code[next].out {
		switch in := &p.code[next]; {
		case in.op == opMatch:
			if body.op == opAny {
				alt.op = opTailAny
			} else {
				alt.op = opTailLine
			}
			return
		case in.op != opSave && (in.op != opEmpty || in.arg != 0):
			return
		}
	}
}

// skip makes the program begin behind the lead, if its first instructions are nothing but the lead.
func (p *program) skip(lead string) {
	pc, todo := p.start, len(lead)
	for todo > 0 {
		switch in := &p.code[pc]; in.op {
		case opByte, opFold, opRune:
			todo--
		case opEmpty:
		default:
			return
		}
		pc = p.code[pc].out
	}
	p.start, p.from = pc, len(lead)
}

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
