package http1

import "time"

// epoch is what deadlines are counted from, so that they are single numbers.
var epoch = time.Now()

// clock returns the nanoseconds since epoch.
func clock() int64 { return int64(time.Since(epoch)) }

// timer says when a read or a write that waits has to give up.
type timer struct {
	timeout int64 // longest wait in nanoseconds; 0 for no limit
	fixed   int64 // if not 0, the time by which to give up, whatever timeout says
	armed   int64 // what the connection has been told: a time, 0 for never, -1 for something unknown
}

// unknown is the value of timer.armed if the deadline was moved behind the timer's back.
const unknown = -1

// slack is how much later than asked for a deadline may be.
func slack(timeout int64) int64 {
	if timeout < int64(time.Second) {
		return timeout
	}
	return timeout / 20
}

// due returns the deadline that has to be armed now, and whether the one armed must be changed for it.
func (t *timer) due() (at int64, change bool) {
	if t.fixed != 0 {
		return t.fixed, t.armed != t.fixed
	}
	if t.timeout == 0 {
		return 0, t.armed != 0
	}
	now := clock()
	longest := t.timeout + slack(t.timeout)
	if left := t.armed - now; left >= t.timeout && left <= longest {
		return 0, false
	}
	return now + longest, true
}

// deadline converts what due returns.
func deadline(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return epoch.Add(time.Duration(at))
}

// armRead makes sure that a read which begins to wait now will give up in time.
func (l *link) armRead() error {
	at, change := l.read.due()
	if !change {
		return nil
	}
	l.read.armed = at
	return l.conn.SetReadDeadline(deadline(at))
}

// armWrite is armRead for writes.
func (l *link) armWrite() error {
	at, change := l.write.due()
	if !change {
		return nil
	}
	l.write.armed = at
	return l.conn.SetWriteDeadline(deadline(at))
}
