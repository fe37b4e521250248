package forward

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// telling is a stream that tells by an alarm that its client is gone.
type telling struct {
	shared
	alarm *atomic.Pointer[wire.Alarm]
}

func (s telling) SetAlarm(a *wire.Alarm) { s.alarm.Store(a) }

// TestAlarmsWakeAtOnce has clients go that have waited for long: the watch alone looks at those at every third tick.
func TestAlarmsWakeAtOnce(t *testing.T) {
	const clients = 9
	heard := make(chan time.Time, clients)
	var asked atomic.Int32
	b := newBackend(t, func(p *peer, _ int) {
		p.read()
		asked.Add(1)
		p.untilClosed()
		heard <- time.Now()
	})
	r := newRig(t, nil, b.addr())
	var gone [clients]atomic.Bool
	var alarms [clients]atomic.Pointer[wire.Alarm]
	for i := range clients {
		r.see(func(x *filter.Exchange) { x.Stream = telling{shared{x.Stream, &gone[i]}, &alarms[i]} })
		r.dial().send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		eventually(t, "the endpoint is asked", func() bool { return asked.Load() == int32(i+1) })
	}
	time.Sleep(watchTick * patientAfter)
	var took []time.Duration
	for i := range clients { // one after the other: each just after a tick, if it took one
		left := time.Now()
		gone[i].Store(true)
		alarms[i].Load().Ring()
		took = append(took, (<-heard).Sub(left))
		if rec := r.record(); !rec.Gone {
			t.Errorf("record %+v", rec)
		}
	}
	slices.Sort(took)
	if median := took[clients/2]; median > 5*time.Millisecond {
		t.Errorf("the endpoint hears of it after %v", took)
	}
	t.Logf("the endpoint hears of it after %v", took)
}

// TestLateAlarmsHurtNobody rings for an exchange that is over while its flight carries another one, whose client is there.
func TestLateAlarmsHurtNobody(t *testing.T) {
	var asked atomic.Int32
	release := make(chan bool)
	b := newBackend(t, func(p *peer, _ int) {
		for {
			if _, more := p.read(); !more {
				return
			}
			if asked.Add(1) == 2 {
				<-release
			}
			p.say(ok("fine"))
		}
	})
	r := newRig(t, nil, b.addr())
	var alarms [2]atomic.Pointer[wire.Alarm]
	var gone [2]atomic.Bool
	c := r.dial()
	for i := range alarms {
		r.see(func(x *filter.Exchange) { x.Stream = telling{shared{x.Stream, &gone[i]}, &alarms[i]} })
		c.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
		if i == 1 {
			eventually(t, "the endpoint is asked again", func() bool { return asked.Load() == 2 })
			if alarms[0].Load() != alarms[1].Load() {
				t.Fatal("the second exchange has another flight: this test shows nothing")
			}
			gone[0].Store(true)
			alarms[0].Load().Ring()
			eventually(t, "the watch has looked", func() bool {
				bell := &r.f.watch.bell
				bell.mu.Lock()
				defer bell.mu.Unlock()
				return len(bell.rung) == 0 && len(bell.idle) > 0
			})
			close(release)
		}
		if got := c.receive("GET"); got.StatusCode != 200 || got.body != "fine" {
			t.Errorf("request %d: %s", i, describe(got))
		}
		if rec := r.record(); rec.Gone {
			t.Errorf("request %d: record %+v", i, rec)
		}
	}
}
