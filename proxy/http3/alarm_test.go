package http3_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// TestAClientThatGoesRingsTheAlarmAtOnce: and one that was answered does not, though its stream ends as well.
func TestAClientThatGoesRingsTheAlarmAtOnce(t *testing.T) {
	began, rung := make(chan bool, 1), make(chan string, 4)
	r := newRig(t, func(x *filter.Exchange) {
		path := strings.Clone(x.Request.Path)
		over := make(chan bool, 2)
		ring := func() { rung <- path; over <- true }
		alarmer := x.Stream.(wire.Alarmer)
		alarmer.SetAlarm(&wire.Alarm{Ring: func() { t.Error("an alarm rings that another one has replaced") }})
		alarmer.SetAlarm(&wire.Alarm{Ring: ring})
		if path == "/cancelled" {
			began <- true
			select {
			case <-over:
			case <-time.After(5 * time.Second):
			}
			if !alarmer.Gone() {
				t.Error("the alarm has rung for a client that is there")
			}
			x.Stream.Abort()
			return
		}
		echo(x)
	}, nil)
	r.do("GET", "/answered", nil)
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "GET", "https://a.test/cancelled", nil)
	ended := make(chan error, 1)
	go func() { _, err := r.client.Do(req); ended <- err }()
	<-began
	left := time.Now()
	cancel()
	select {
	case path := <-rung:
		if took := time.Since(left); path != "/cancelled" || took > time.Second {
			t.Errorf("%s rings after %v", path, took)
		}
	case <-time.After(5 * time.Second):
		t.Error("nothing rings")
	}
	if err := <-ended; err == nil {
		t.Error("the client was answered")
	}
}
