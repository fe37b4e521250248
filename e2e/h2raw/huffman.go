package h2raw

import (
	"errors"
	"sort"
)

// codeLengths are the lengths of the Huffman codes of RFC 7541 appendix B, in bits, by symbol; the last one is EOS. The codes need
// not be written down: they are canonical, so each is the one before it in the order of length and symbol, plus one.
var codeLengths = [257]uint8{
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
	28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
	5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
	7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
	6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
	24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
	21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
	19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
	26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
	30,
}

// eos is the symbol that must not occur in a string.
const eos = 256

// code is a Huffman code: the low bits of bits.
type code struct {
	bits uint32
	n    uint8
}

// codes returns the codes by symbol.
func codes() (list [257]code) {
	order := make([]int, len(codeLengths))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return codeLengths[order[i]] < codeLengths[order[j]] })
	next, length := uint32(0), uint8(0)
	for _, symbol := range order {
		n := codeLengths[symbol]
		next <<= n - length
		list[symbol] = code{next, n}
		next++
		length = n
	}
	return list
}

// Huffman returns a text in Huffman codes, padded with ones (RFC 7541 section 5.2).
func Huffman(text string) []byte {
	table := codes()
	var out []byte
	var acc uint64
	var n uint8
	for i := 0; i < len(text); i++ {
		c := table[text[i]]
		acc = acc<<c.n | uint64(c.bits)
		for n += c.n; n >= 8; n -= 8 {
			out = append(out, byte(acc>>(n-8)))
		}
	}
	if n > 0 {
		out = append(out, byte(acc<<(8-n))|0xff>>n)
	}
	return out
}

// ErrHuffman says that a text is not as section 5.2 wants it.
var ErrHuffman = errors.New("decode Huffman: EOS, padding of more than 7 bits, or padding that is not of ones")

// UnHuffman decodes a text.
func UnHuffman(p []byte) (string, error) {
	symbols := map[code]int{}
	for symbol, c := range codes() {
		symbols[c] = symbol
	}
	var out []byte
	var c code
	for _, b := range p {
		for bit := 7; bit >= 0; bit-- {
			c = code{c.bits<<1 | uint32(b>>bit&1), c.n + 1}
			symbol, ok := symbols[c]
			switch {
			case !ok && c.n > 30, ok && symbol == eos:
				return "", ErrHuffman
			case ok:
				out = append(out, byte(symbol))
				c = code{}
			}
		}
	}
	if c.n > 7 || c.bits != 1<<c.n-1 {
		return "", ErrHuffman
	}
	return string(out), nil
}
