package ratelimit

// nginx's leaky bucket (ngx_http_limit_req_module), with `nodelay`. A client has a debt, counted in thousandths of a
// request. It shrinks by the rate as time passes; each request adds one. A request that would bring the debt
// over the burst is refused and adds nothing.
//
// The surprise: debt cannot go below zero after adding the request, so a client that has rested pays nothing for its
// first request, just like one that is seen for the first time: burst+1 requests pass at once. And with several
// limits a request must fit all of them, or it is charged to none.

// limit is one rate.
type limit struct {
	// rate is what a debt shrinks by, in thousandths of a request per second.
	rate int64
	// burst is the highest debt, in thousandths of a request.
	burst int64
}

// perSecond and perMinute return the limit of n requests with a burst that is a multiple of n. nginx divides
// the rate per minute before it uses it, so 100 a minute are 1.666 a second.
func perSecond(n, multiplier int) limit {
	return limit{rate: int64(n) * 1000, burst: int64(n) * int64(multiplier) * 1000}
}

func perMinute(n, multiplier int) limit {
	return limit{rate: int64(n) * 1000 / 60, burst: int64(n) * int64(multiplier) * 1000}
}

// The kinds of limits, and where their debts are in a bucket.
const (
	second = iota
	minute
	kinds
)

// bucket is what is known about one client.
type bucket struct {
	// last is when a debt was last changed, in milliseconds of the table's clock.
	last int64
	debt [kinds]int64
}

// longest is the longest time that is counted, in milliseconds (ten days): more of it times the highest rate would
// overflow.
const longest = 10 * 24 * 3600 * 1000

// backwards is how far the clock may go back before it is taken for a new one, in milliseconds.
const backwards = 60_000

// elapsed returns the time since the last change as nginx counts it: clocks of different cores may differ a
// little, and what looks like a big step back is one of the clock.
func (b *bucket) elapsed(now int64) int64 {
	switch ms := now - b.last; {
	case ms < -backwards:
		return 1
	case ms < 0:
		return 0
	default:
		return min(ms, longest)
	}
}

// take charges a request to all limits, or to none and reports false. A limit without a rate is not
// there.
func (b *bucket) take(limits *[kinds]limit, now int64) bool {
	ms := b.elapsed(now)
	debt := b.debt
	for i := range limits {
		l := &limits[i]
		if l.rate == 0 {
			continue
		}
		debt[i] = max(0, debt[i]-l.rate*ms/1000+1000)
		if debt[i] > l.burst {
			return false
		}
	}
	b.debt = debt
	if ms != 0 {
		b.last = now
	}
	return true
}

// rested is how long a client must have been away before it may be forgotten, in milliseconds.
const rested = 60_000

// forgettable reports whether a client that comes back would be treated as if it were new.
func (b *bucket) forgettable(limits *[kinds]limit, now int64) bool {
	ms := b.elapsed(now)
	if ms < rested {
		return false
	}
	for i := range limits {
		if b.debt[i]-limits[i].rate*ms/1000 > 0 {
			return false
		}
	}
	return true
}
