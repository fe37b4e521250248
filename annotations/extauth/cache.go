package extauth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/lru"
	"github.com/yettproxy/yett/proxy/wire"
)

const (
	// maxAnswers is how many answers are remembered, for all Ingresses together.
	maxAnswers = 16_000
	// maxAnswerBytes is how long the texts of an answer may be that is remembered.
	maxAnswerBytes = 4096
)

// cacheKey finds the cache in filter.State.
type cacheKey struct{}

// digest stands for the rule, the settings, the credentials and the key that an answer belongs to.
type digest [sha256.Size]byte

// cache is the answers that are remembered.
type cache struct {
	// secret makes digests of credentials useless outside of the process.
	secret [sha256.Size]byte
	table  *lru.Table[digest, remembered]
}

// remembered is an answer and until when it holds.
type remembered struct {
	answer *answer
	until  time.Time
}

// newCache returns an empty cache.
func newCache() *cache {
	c := &cache{table: lru.New[digest, remembered](maxAnswers, func(d digest) uint64 {
		return binary.LittleEndian.Uint64(d[:])
	})}
	rand.Read(c.secret[:]) // it never fails
	return c
}

// get returns the answer for a digest, or nil.
func (c *cache) get(d digest, now time.Time) *answer {
	s := c.table.Lock(d)
	defer s.Unlock()
	r := s.Get(d)
	if r == nil {
		return nil
	}
	if !now.Before(r.until) {
		s.Remove(d)
		return nil
	}
	return r.answer
}

// put remembers an answer, unless it is too long.
func (c *cache) put(d digest, a *answer, until time.Time) {
	n := 0
	for _, list := range [][]string{a.values, a.authenticate} {
		for _, v := range list {
			n += len(v)
		}
	}
	if n > maxAnswerBytes {
		return
	}
	s := c.table.Lock(d)
	defer s.Unlock()
	r := s.Get(d)
	if r == nil {
		r = s.Add(d)
	}
	*r = remembered{a, until}
}

// digest finds out what an answer to this request belongs to: rule and settings, host, credentials, and the user's key. Each part
// goes in with its length, so that no two requests look the same by chance of where a text ends.
func (g *guard) digest(x *filter.Exchange) digest {
	h := sha256.New()
	var number [8]byte
	part := func(text string) {
		binary.LittleEndian.PutUint64(number[:], uint64(len(text)))
		h.Write(number[:])
		h.Write(wire.Bytes(text))
	}
	h.Write(g.cache.secret[:])
	h.Write(g.identity[:])
	part(x.Request.Host)
	for _, f := range x.Request.Fields.All() {
		if f.ID == wire.Authorization || f.ID == wire.Cookie {
			part(f.ID.String())
			part(f.Value)
		}
	}
	part("")
	part(g.key.Text(x))
	return digest(h.Sum(nil))
}
