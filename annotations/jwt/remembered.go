package jwt

// A client sends its token with every request, and checking an RS256 signature takes some 30 µs. So what became of a token that was
// right is remembered until the token ends: under an HMAC-like hash of it, which is worth nothing outside the process. It counts only as long
// as the keys are those that proved it.

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/yettproxy/yett/proxy/lru"
	"github.com/yettproxy/yett/proxy/wire"
)

const (
	// maxRemembered is how many tokens are remembered, for all Ingresses together.
	maxRemembered = 16_000
	// maxBytes is how long the texts may be that are remembered with one.
	maxBytes = 4096
)

// digest stands for a token and everything that decides what becomes of it.
type digest [sha256.Size]byte

// verdict is what became of a token whose signature is right. It is immutable.
type verdict struct {
	// set are the keys that proved it, until is when it ends.
	set   *keySet
	until time.Time
	// forbidden says that its claims do not suffice.
	forbidden bool
	// user is its subject; values are those of the fields for the Service, "" for none.
	user   string
	values []string
}

// memory is the verdicts about tokens.
type memory struct {
	secret [sha256.Size]byte
	table  *lru.Table[digest, *verdict]
}

// newMemory returns an empty memory with a secret of its own.
func newMemory() *memory {
	m := &memory{table: lru.New[digest, *verdict](maxRemembered, func(d digest) uint64 { return binary.LittleEndian.Uint64(d[:]) })}
	rand.Read(m.secret[:]) // it never fails
	return m
}

// digest hashes a token together with what tells one way to check it from another.
func (m *memory) digest(identity *[sha256.Size]byte, token string) digest {
	sum := sha256.Sum256(wire.Bytes(token))
	var all [3 * sha256.Size]byte
	copy(all[:], m.secret[:])
	copy(all[sha256.Size:], identity[:])
	copy(all[2*sha256.Size:], sum[:])
	return sha256.Sum256(all[:])
}

// get returns the verdict about a token, if it still holds, or nil.
func (m *memory) get(d digest, set *keySet, now time.Time) *verdict {
	s := m.table.Lock(d)
	defer s.Unlock()
	v := s.Get(d)
	switch {
	case v == nil:
		return nil
	case (*v).set != set || !now.Before((*v).until):
		s.Remove(d)
		return nil
	}
	return *v
}

// put remembers a verdict, unless it is too long.
func (m *memory) put(d digest, v *verdict) {
	n := len(v.user)
	for _, text := range v.values {
		n += len(text)
	}
	if n > maxBytes {
		return
	}
	s := m.table.Lock(d)
	defer s.Unlock()
	place := s.Get(d)
	if place == nil {
		place = s.Add(d)
	}
	*place = v
}
