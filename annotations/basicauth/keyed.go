package basicauth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
)

// digest is what HMAC-SHA256 makes of texts.
type digest [sha256.Size]byte

// keyed is HMAC-SHA256 under a key that no one outside the process knows, without allocations.
type keyed struct{ inner, outer [sha256.BlockSize]byte }

// newKeyed returns one with a key of its own.
func newKeyed() (k keyed) {
	var key [sha256.BlockSize]byte
	rand.Read(key[:]) // it never fails
	for i := range key {
		k.inner[i], k.outer[i] = key[i]^0x36, key[i]^0x5c
	}
	return k
}

// sum returns the HMAC of three texts. The lengths of two go in, too, so that no two triples make the same text.
func (k *keyed) sum(first, second, third string) digest {
	var room [512]byte
	b := append(room[:0], k.inner[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(first)))
	b = append(b, first...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(second)))
	b = append(b, second...)
	b = append(b, third...)
	sum := sha256.Sum256(b)
	clear(b)
	b = append(append(room[:0], k.outer[:]...), sum[:]...)
	return sha256.Sum256(b)
}
