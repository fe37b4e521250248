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
	"unicode"
	"unicode/utf8"
)

// maxInstructions bounds programs; larger ones are refused.
const maxInstructions = 20000

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
