package basicauth

// The traditional crypt(3), which `htpasswd -d` and the openssl of old write, and which crypto/des cannot do: it
// enciphers a block of zeros 25 times with DES, with the password as the key, but the salt exchanges bits of
// DES's expansion.
//
// The surprise is in what it looks at: seven bits of each of the first eight bytes of the password, and no more.
// "password" and "passwordandmore" are the same. That is what the hashes in people's files mean, and it
// is why nobody should make new ones.

import "strings"

// cryptAlphabet is the digits of base 64 of crypt(3).
const cryptAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// desLength is the length of a hash: two characters of salt, eleven of the block.
const desLength = 13

// desCrypt returns the hash of a password under a salt of two characters of cryptAlphabet.
func desCrypt(password, salt string) string {
	keys := desKeys(password)
	mask := desSaltMask(salt)
	var l, r uint32
	for range 25 {
		for i := range keys {
			l, r = r, l^desRound(r, keys[i], mask)
		}
		l, r = r, l
	}
	block := permute(uint64(l)<<32|uint64(r), 64, desFinal[:])
	out := make([]byte, 0, desLength)
	out = append(out, salt[:2]...)
	for i := range 11 {
		shift := 58 - 6*i
		if shift < 0 {
			out = append(out, cryptAlphabet[block<<2&63]) // the last four bits, and two zeros
			continue
		}
		out = append(out, cryptAlphabet[block>>shift&63])
	}
	return string(out)
}

// desKeys makes the 16 round keys, of 48 bits each.
func desKeys(password string) (keys [16]uint64) {
	var key uint64
	for i := range 8 {
		key <<= 8
		if i < len(password) {
			key |= uint64(password[i] << 1)
		}
	}
	cd := permute(key, 64, desChoice1[:])
	c, d := uint32(cd>>28), uint32(cd&(1<<28-1))
	for i := range keys {
		n := desShifts[i]
		c = (c<<n | c>>(28-n)) & (1<<28 - 1)
		d = (d<<n | d>>(28-n)) & (1<<28 - 1)
		keys[i] = permute(uint64(c)<<28|uint64(d), 56, desChoice2[:])
	}
	return keys
}

// desSaltMask returns which bits of the two halves of the expansion change places.
func desSaltMask(salt string) (mask uint64) {
	for i := range 2 {
		c := strings.IndexByte(cryptAlphabet, salt[i])
		for j := range 6 {
			if c>>j&1 != 0 {
				mask |= 1 << (23 - 6*i - j)
			}
		}
	}
	return mask
}

// desRound is DES's function f, with the salt.
func desRound(r uint32, key, mask uint64) uint32 {
	// The expansion: eight groups of six bits, each four bits of r and a neighbour on either side.
	wide := uint64(r&1)<<33 | uint64(r)<<1 | uint64(r>>31)
	var e uint64
	for i := range 8 {
		e = e<<6 | wide>>(28-4*i)&63
	}
	x := (e>>24 ^ e) & mask
	e ^= x | x<<24 ^ key
	var out uint32
	for i := range 8 {
		out |= desBoxes[i][e>>(42-6*i)&63]
	}
	return out
}

// permute picks bits of a block of a given width: table[i] is the place, counted from 1 at the highest bit, of the bit
// that comes i-th.
func permute(block uint64, width uint, table []uint8) (out uint64) {
	for _, place := range table {
		out = out<<1 | block>>(width-uint(place))&1
	}
	return out
}

// desBoxes are the S-boxes, each followed by the permutation P.
var desBoxes = func() (boxes [8][64]uint32) {
	for i := range boxes {
		for v := range 64 {
			row, column := v>>4&2|v&1, v>>1&15
			s := uint64(desS[i][16*row+column]) << (28 - 4*i)
			boxes[i][v] = uint32(permute(s, 32, desP[:]))
		}
	}
	return boxes
}()

// The tables of FIPS 46-3.
var (
	desShifts = [16]uint8{1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1}

	desChoice1 = [56]uint8{
		57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60, 52, 44, 36,
		63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13, 5, 28, 20, 12, 4,
	}
	desChoice2 = [48]uint8{
		14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2,
		41, 52, 31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
	}
	desFinal = [64]uint8{
		40, 8, 48, 16, 56, 24, 64, 32, 39, 7, 47, 15, 55, 23, 63, 31, 38, 6, 46, 14, 54, 22, 62, 30, 37, 5, 45, 13, 53, 21, 61, 29,
		36, 4, 44, 12, 52, 20, 60, 28, 35, 3, 43, 11, 51, 19, 59, 27, 34, 2, 42, 10, 50, 18, 58, 26, 33, 1, 41, 9, 49, 17, 57, 25,
	}
	desP = [32]uint8{
		16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19, 13, 30, 6, 22, 11, 4, 25,
	}
	desS = [8][64]uint8{
		{
			14, 4, 13, 1, 2, 15, 11, 8, 3, 10, 6, 12, 5, 9, 0, 7, 0, 15, 7, 4, 14, 2, 13, 1, 10, 6, 12, 11, 9, 5, 3, 8,
			4, 1, 14, 8, 13, 6, 2, 11, 15, 12, 9, 7, 3, 10, 5, 0, 15, 12, 8, 2, 4, 9, 1, 7, 5, 11, 3, 14, 10, 0, 6, 13,
		}, {
			15, 1, 8, 14, 6, 11, 3, 4, 9, 7, 2, 13, 12, 0, 5, 10, 3, 13, 4, 7, 15, 2, 8, 14, 12, 0, 1, 10, 6, 9, 11, 5,
			0, 14, 7, 11, 10, 4, 13, 1, 5, 8, 12, 6, 9, 3, 2, 15, 13, 8, 10, 1, 3, 15, 4, 2, 11, 6, 7, 12, 0, 5, 14, 9,
		}, {
			10, 0, 9, 14, 6, 3, 15, 5, 1, 13, 12, 7, 11, 4, 2, 8, 13, 7, 0, 9, 3, 4, 6, 10, 2, 8, 5, 14, 12, 11, 15, 1,
			13, 6, 4, 9, 8, 15, 3, 0, 11, 1, 2, 12, 5, 10, 14, 7, 1, 10, 13, 0, 6, 9, 8, 7, 4, 15, 14, 3, 11, 5, 2, 12,
		}, {
			7, 13, 14, 3, 0, 6, 9, 10, 1, 2, 8, 5, 11, 12, 4, 15, 13, 8, 11, 5, 6, 15, 0, 3, 4, 7, 2, 12, 1, 10, 14, 9,
			10, 6, 9, 0, 12, 11, 7, 13, 15, 1, 3, 14, 5, 2, 8, 4, 3, 15, 0, 6, 10, 1, 13, 8, 9, 4, 5, 11, 12, 7, 2, 14,
		}, {
			2, 12, 4, 1, 7, 10, 11, 6, 8, 5, 3, 15, 13, 0, 14, 9, 14, 11, 2, 12, 4, 7, 13, 1, 5, 0, 15, 10, 3, 9, 8, 6,
			4, 2, 1, 11, 10, 13, 7, 8, 15, 9, 12, 5, 6, 3, 0, 14, 11, 8, 12, 7, 1, 14, 2, 13, 6, 15, 0, 9, 10, 4, 5, 3,
		}, {
			12, 1, 10, 15, 9, 2, 6, 8, 0, 13, 3, 4, 14, 7, 5, 11, 10, 15, 4, 2, 7, 12, 9, 5, 6, 1, 13, 14, 0, 11, 3, 8,
			9, 14, 15, 5, 2, 8, 12, 3, 7, 0, 4, 10, 1, 13, 11, 6, 4, 3, 2, 12, 9, 5, 15, 10, 11, 14, 1, 7, 6, 0, 8, 13,
		}, {
			4, 11, 2, 14, 15, 0, 8, 13, 3, 12, 9, 7, 5, 10, 6, 1, 13, 0, 11, 7, 4, 9, 1, 10, 14, 3, 5, 12, 2, 15, 8, 6,
			1, 4, 11, 13, 12, 3, 7, 14, 10, 15, 6, 8, 0, 5, 9, 2, 6, 11, 13, 8, 1, 4, 10, 7, 9, 5, 0, 15, 14, 2, 3, 12,
		}, {
			13, 2, 8, 4, 6, 15, 11, 1, 10, 9, 3, 14, 5, 0, 12, 7, 1, 15, 13, 8, 10, 3, 7, 4, 12, 5, 6, 11, 0, 14, 9, 2,
			7, 11, 4, 1, 9, 12, 14, 2, 0, 6, 10, 13, 15, 3, 5, 8, 2, 1, 14, 7, 4, 10, 8, 13, 15, 12, 9, 0, 3, 5, 6, 11,
		},
	}
)
