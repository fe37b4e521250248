package basicauth

// A browser sends its password with every request, and bcrypt takes 50 ms to check it. So what was right is remembered
// for some minutes: not the password, but an HMAC of user, password and hash under a key that no one outside the process
// knows. Since the hash is part of it, a changed Secret makes everything remembered about it worthless at once.
//
// What is remembered is a fact ("this password fits this hash"), so all Ingresses can share it.

import (
	"encoding/binary"
	"time"

	"github.com/yettproxy/yett/proxy/lru"
)

const (
	// maxRemembered is how many passwords are remembered.
	maxRemembered = 10_000
	// rememberFor is how long: it limits what a copy of the process's memory is good for.
	rememberFor = 10 * time.Minute
)

// memory is the passwords that were right.
type memory struct {
	key   keyed
	table *lru.Table[digest, time.Time]
}

// newMemory returns an empty memory with a key of its own.
func newMemory() *memory {
	return &memory{key: newKeyed(), table: lru.New[digest, time.Time](maxRemembered, func(d digest) uint64 {
		return binary.LittleEndian.Uint64(d[:])
	})}
}

// digest stands for a user, a password and a hash that fit together.
func (m *memory) digest(user, password, hash string) digest { return m.key.sum(user, password, hash) }

// knows reports whether a digest is remembered.
func (m *memory) knows(d digest, now time.Time) bool {
	s := m.table.Lock(d)
	defer s.Unlock()
	until := s.Get(d)
	return until != nil && now.Before(*until)
}

// remember keeps a digest for a while.
func (m *memory) remember(d digest, now time.Time) {
	s := m.table.Lock(d)
	defer s.Unlock()
	until := s.Get(d)
	if until == nil {
		until = s.Add(d)
	}
	*until = now.Add(rememberFor)
}
