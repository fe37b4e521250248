package main

import (
	"math/rand/v2"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"

	"github.com/yettproxy/yett/proxy/pause"
)

// retryRead is the longest pause between two tries to read from an API server that is away.
const retryRead = time.Second

// patient makes reads wait for an API server that is away. The caches' own way is to back off to half a minute and more, so
// that after an outage routes would stay stale long after the API server has returned. Errors before the first
// answer are passed on: a wrong address should be told, not waited for.
func patient(config *rest.Config, log logr.Logger) {
	// A dial that got no answer would wait for ever longer, too.
	config.Dial = (&net.Dialer{Timeout: 3 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &patience{next: next, log: log} })
}

// patience repeats reads until they are answered or given up by their callers.
type patience struct {
	next     http.RoundTripper
	log      logr.Logger
	answered atomic.Bool
	away     atomic.Bool
}

// RoundTrip sends one request; one that may change something is sent once.
func (p *patience) RoundTrip(r *http.Request) (*http.Response, error) {
	for {
		resp, err := p.next.RoundTrip(r)
		if !absent(resp, err) {
			p.answered.Store(true)
			if p.away.CompareAndSwap(true, false) {
				p.log.Info("the API server is back")
			}
			return resp, err
		}
		if r.Method != http.MethodGet || !p.answered.Load() || r.Context().Err() != nil {
			return resp, err
		}
		if p.away.CompareAndSwap(false, true) {
			p.log.Info("the API server is away: what is there is served on", "reason", reason(resp, err))
		}
		if !pause.For(r.Context(), retryRead/2+rand.N(retryRead/2)) {
			return resp, err
		}
		if resp != nil {
			resp.Body.Close()
		}
	}
}

// absent reports whether nobody was there to answer, or only somebody in front. Answers that say when to come back are
// for the caller, who knows how.
func absent(resp *http.Response, err error) bool {
	if err != nil {
		return true
	}
	switch resp.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return resp.Header.Get("Retry-After") == ""
	}
	return false
}

// reason says in words what absent saw.
func reason(resp *http.Response, err error) string {
	if err != nil {
		return err.Error()
	}
	return resp.Status
}
