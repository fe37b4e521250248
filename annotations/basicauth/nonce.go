package basicauth

// Nonces of digest authentication are not kept: each carries the time when it was made and an HMAC of it, so that anybody may
// ask for as many as they like. What is kept is which counts (nc) of a nonce were used, and only once somebody has shown with it
// that they know a password. Requests over HTTP/2 overtake each other, so the last 64 counts are told apart, as IPsec
// does (RFC 4303 section 3.4.3).
//
// The surprise is the first use: it must be number 1. Else a nonce whose counts were forgotten, since too many others came
// after it, could be used again from where somebody else has got to.

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/yettproxy/yett/proxy/lru"
	"github.com/yettproxy/yett/proxy/wire"
)

const (
	// nonceLife is how long a nonce can be used.
	nonceLife = 5 * time.Minute
	// maxNonces is of how many nonces the counts are kept.
	maxNonces = 20_000
	// nonceStamp and nonceMAC are the bytes of a nonce: time and chance, and the HMAC.
	nonceStamp, nonceMAC = 16, 16
)

// nonceBytes is how long a nonce is as text.
const nonceBytes = ((nonceStamp+nonceMAC)*8 + 5) / 6

// nonceCoding is base 64 as it may stand anywhere.
var nonceCoding = base64.RawURLEncoding.Strict()

// nonceID stands for a nonce: its time and chance.
type nonceID [nonceStamp]byte

// counts are the counts of a nonce that were used: the highest, and a bit for each of the 64 up to it.
type counts struct {
	top  uint32
	used uint64
}

// take reports whether a count was not used yet, and marks it.
func (c *counts) take(n uint32) bool {
	if n > c.top {
		c.used = c.used<<min(n-c.top, 64) | 1 // a shift by 64 leaves nothing
		c.top = n
		return true
	}
	bit := c.top - n
	if bit >= 64 || c.used>>bit&1 != 0 {
		return false
	}
	c.used |= 1 << bit
	return true
}

// nonces makes nonces and knows them again.
type nonces struct {
	key   keyed
	table *lru.Table[nonceID, counts]
}

// newNonces returns nonces under a key of their own.
func newNonces() *nonces {
	return &nonces{key: newKeyed(), table: lru.New[nonceID, counts](maxNonces, func(id nonceID) uint64 {
		return binary.LittleEndian.Uint64(id[8:]) // chance
	})}
}

// appendNonce appends a nonce for the users of a guard.
func (n *nonces) appendNonce(dst []byte, now time.Time, guard string) []byte {
	var raw [nonceStamp + nonceMAC]byte
	binary.BigEndian.PutUint64(raw[:], uint64(now.UnixMilli()))
	rand.Read(raw[8:nonceStamp]) // it never fails
	mac := n.key.sum(wire.View(raw[:nonceStamp]), guard, "")
	copy(raw[nonceStamp:], mac[:])
	return nonceCoding.AppendEncode(dst, raw[:])
}

// use reports whether a nonce is one of ours, for this guard and of late, and its count was not used yet; it marks it.
func (n *nonces) use(text string, count uint32, now time.Time, guard string) bool {
	if len(text) != nonceBytes {
		return false
	}
	var room [nonceStamp + nonceMAC]byte
	raw, err := nonceCoding.AppendDecode(room[:0], wire.Bytes(text))
	if err != nil || len(raw) != len(room) {
		return false
	}
	mac := n.key.sum(wire.View(raw[:nonceStamp]), guard, "")
	age := now.Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(raw))))
	if !equal(wire.View(raw[nonceStamp:]), wire.View(mac[:nonceMAC])) || age < -time.Second || age > nonceLife {
		return false
	}
	id := nonceID(raw)
	s := n.table.Lock(id)
	defer s.Unlock()
	c := s.Get(id)
	if c == nil {
		if count != 1 {
			return false
		}
		c = s.Add(id)
		*c = counts{}
	}
	return c.take(count)
}
