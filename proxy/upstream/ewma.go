package upstream

// The moving average of response times, as ingress-nginx's balancer "ewma" keeps it: old samples fade with
// a time constant of 10 s, also while there are no new ones. Two things differ. A sample above the
// average replaces it at once (peak EWMA), so that an endpoint that has just become slow is left alone
// after one request instead of after many. And the average counts once for each request on its way, so
// that an endpoint that has stopped answering does not go on looking as good as its last answer.
//
// The surprise: an average fades towards zero while the endpoint is not used, which makes a slow endpoint
// attractive again after some time constants. That is how it gets its chance to prove that it recovered.

import (
	"math"
	"sync/atomic"
	"time"
)

// decay is the time constant of the average.
const decay = 10 * time.Second

// average packs the average in microseconds (float32) and the time of the last sample in milliseconds
// (32 bits, which wrap after 49 days; only differences count) into one word, so that both change together
// without a lock.
type average struct {
	v atomic.Uint64
}

// pack makes the word.
func pack(micros float32, at uint32) uint64 {
	return uint64(math.Float32bits(micros))<<32 | uint64(at)
}

// clockMillis is the time of a sample.
func clockMillis(now int64) uint32 { return uint32(now / int64(time.Millisecond)) }

// faded returns the average as it is at the time now.
func faded(v uint64, now uint32) float32 {
	micros := math.Float32frombits(uint32(v >> 32))
	if micros == 0 {
		return 0
	}
	age := int32(now - uint32(v))
	if age <= 0 {
		return micros
	}
	return micros * float32(math.Exp(-float64(age)/float64(decay/time.Millisecond)))
}

// observe takes a sample in.
func (a *average) observe(now int64, rtt time.Duration) {
	sample := float32(rtt) / float32(time.Microsecond)
	at := clockMillis(now)
	for {
		old := a.v.Load()
		next := sample
		if avg := faded(old, at); sample < avg {
			// avg has faded by its weight already; the sample fills up what is missing.
			next = avg + sample*(1-avg/math.Float32frombits(uint32(old>>32)))
		}
		if a.v.CompareAndSwap(old, pack(next, at)) {
			return
		}
	}
}

// set makes the average that of somebody else.
func (a *average) set(now int64, micros float32) { a.v.Store(pack(micros, clockMillis(now))) }

// micros returns the average in microseconds.
func (a *average) micros(now int64) float32 { return faded(a.v.Load(), clockMillis(now)) }

// score is what power of two choices compares: lower is better.
func (e *Endpoint) score(now int64) float32 {
	return (e.load.micros(now) + 1) * float32(e.inflight.Load()+1)
}
