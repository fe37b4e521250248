package jwt

// Keys are fetched before anybody waits for them where that is possible: when a table is built, and while the last ones still serve. A request waits
// only if there are none at all, or if its token names a key that is not among them, which is how rotation looks from here. Anybody can
// write such a token, so it makes us ask the issuer once in half a minute and no more.
//
// The surprise: an issuer that is away for a day costs nothing but new keys. What was fetched last stays good for that long, and then
// nobody gets in any more (503).

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/yettproxy/yett/annotations/remote"
	"github.com/yettproxy/yett/proxy/wire"
)

const (
	// fetchTime is how long a fetch may take, and a request may wait for it.
	fetchTime = 5 * time.Second
	// freshFor is when keys are fetched anew, staleFor when they are no good any more if that fails.
	freshFor, staleFor = 10 * time.Minute, 24 * time.Hour
	// againAfter is the time between two fetches because of an unknown key, or because one has failed; firstAfter that between two
	// tries to get any keys at all.
	againAfter, firstAfter = 30 * time.Second, 5 * time.Second
	// maxWaiting is how many requests may wait for the keys of one address.
	maxWaiting = 256
)

// source has the keys of one issuer: fetched from an address, or given.
type source struct {
	url  string // "" for keys that were given
	http http.RoundTripper
	ctx  context.Context
	// errors is told why keys cannot be fetched; nil for nobody.
	errors func(error)

	// last are the last good keys, nil before there are any; until is how long they are good, due when they are fetched next, both
	// in nanoseconds since 1970.
	last       atomic.Pointer[keySet]
	until, due atomic.Int64

	waiting atomic.Int32

	mu sync.Mutex
	// began is when the last fetch began; running is closed at the end of the one under way, nil for none.
	began   time.Time
	running chan struct{}
	// told is the error that was told last, "" after a success: it is not repeated every few seconds.
	told string
}

// given returns a source of keys that never change.
func given(set *keySet) *source {
	s := &source{}
	s.last.Store(set)
	s.until.Store(math.MaxInt64)
	s.due.Store(math.MaxInt64)
	return s
}

// warm begins to fetch the keys if it is time to.
func (s *source) warm() { s.keys(time.Now()) }

// keys returns the keys that are good now, or nil. It fetches them anew if it is time to, and does not wait for it.
func (s *source) keys(now time.Time) *keySet {
	n := now.UnixNano()
	if n >= s.due.Load() {
		s.fetch(now, false)
	}
	if n >= s.until.Load() {
		return nil
	}
	return s.last.Load()
}

// renewed returns the keys after a fetch that a request could not do without: because there are none, or because the ones that there are
// do not help. It waits, and returns what there is then; at once if nothing is to be had now.
func (s *source) renewed(now time.Time, unknown bool) *keySet {
	running := s.fetch(now, unknown)
	if running == nil {
		return s.keys(now)
	}
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > maxWaiting {
		return s.keys(now)
	}
	timeout := time.NewTimer(fetchTime)
	defer timeout.Stop()
	select {
	case <-running:
	case <-timeout.C:
	case <-s.ctx.Done():
	}
	return s.keys(time.Now())
}

// fetch begins to fetch the keys if it is time to, and returns what is closed at the end of the fetch under way; nil if there is
// none. With unknown it is time for it earlier.
func (s *source) fetch(now time.Time, unknown bool) <-chan struct{} {
	if s.url == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.running != nil:
		return s.running
	case unknown && now.Sub(s.began) < againAfter, !unknown && now.UnixNano() < s.due.Load():
		return nil
	}
	wait := againAfter
	if now.UnixNano() >= s.until.Load() {
		wait = firstAfter
	}
	s.began, s.running = now, make(chan struct{})
	s.due.Store(now.Add(wait).UnixNano())
	go s.run(now)
	return s.running
}

// run fetches the keys and keeps them. Those that are there stay if that fails, and also if nothing has changed: what was proven by
// them stays proven.
func (s *source) run(now time.Time) {
	set, err := s.download()
	if err == nil {
		if last := s.last.Load(); last == nil || last.sum != set.sum {
			s.last.Store(set)
		}
		s.until.Store(now.Add(staleFor).UnixNano())
		s.due.Store(now.Add(freshFor).UnixNano())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.running)
	s.running = nil
	s.tell(err)
}

// tell says what is wrong with a fetch, if it is something new and the process goes on.
func (s *source) tell(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if s.told == text || s.ctx.Err() != nil {
		return
	}
	if s.told = text; text != "" && s.errors != nil {
		s.errors(err)
	}
}

var errStatus = errors.New("want 200 and a key set")

// download fetches the keys. Redirects are answers like any other, and wrong ones: they could lead anywhere.
func (s *source) download() (*keySet, error) {
	ctx, cancel := context.WithTimeout(s.ctx, fetchTime)
	defer cancel()
	target, err := remote.Target(s.url, new(wire.Arena))
	if err != nil {
		return nil, fmt.Errorf("read URL %q: %w", s.url, err)
	}
	request := (&http.Request{
		Method: http.MethodGet, URL: target, Host: target.Host, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Accept": {"application/jwk-set+json, application/json"}, "User-Agent": {"yett"}},
	}).WithContext(ctx)
	response, err := s.http.RoundTrip(request)
	if err != nil {
		return nil, fmt.Errorf("fetch keys from %q: %w", s.url, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch keys from %q: it answers %d: %w", s.url, response.StatusCode, errStatus)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxKeySet+1))
	if err != nil {
		return nil, fmt.Errorf("read keys from %q: %w", s.url, err)
	}
	set, err := parseKeySet(text)
	if err != nil {
		return nil, fmt.Errorf("read keys from %q: %w", s.url, err)
	}
	return set, nil
}
