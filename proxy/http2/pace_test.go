package http2

import (
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// TestClientsMustKeepPace is S-F7: a byte now and then is within every time-out, but not within wire.Pace. Slow transfers that move
// survive, and so do bodies of unknown length, which may be streams.
func TestClientsMustKeepPace(t *testing.T) {
	const timeout, tick, ticks = 400 * time.Millisecond, 50 * time.Millisecond, 24
	every := func(send func(i int)) {
		for i := range ticks {
			send(i)
			time.Sleep(tick)
		}
	}
	rigged := func(t *testing.T) *rig {
		r := newRig(t)
		r.limit(func(l *wire.Limits) { l.BodyTimeout, l.WriteTimeout = timeout, timeout })
		return r
	}
	t.Run("body", func(t *testing.T) {
		for name, tt := range map[string]struct {
			fields []string
			size   int
			want   string
		}{
			"a byte at a time":                      {[]string{"content-length", "100000"}, 1, "408"},
			"a byte at a time of an unknown length": {nil, 1, "200"},
			"slow, but moving":                      {[]string{"content-length", "120000"}, 5000, "200"},
		} {
			t.Run(name, func(t *testing.T) {
				c := rigged(t).dial()
				c.headers(1, false, post("/", tt.fields...)...)
				every(func(i int) { c.fr.WriteData(1, i == ticks-1 && tt.want == "200", make([]byte, tt.size)) })
				if got, _, _ := strings.Cut(c.response(1).String(), " RST NO_ERROR"); got != tt.want {
					t.Errorf("got %s, want %s (%v %v)", got, tt.want, c.closed, c.goaway)
				}
			})
		}
	})
	t.Run("reading", func(t *testing.T) {
		for name, tt := range map[string]struct {
			size uint32
			want string
		}{"a byte at a time": {1, "200 RST CANCEL"}, "slow, but moving": {5000, "200"}} {
			t.Run(name, func(t *testing.T) {
				r := rigged(t)
				r.serve = func(x *filter.Exchange) {
					x.Response.Status, x.Response.Length = 200, 40_000
					x.Stream.WriteHead(&x.Response)
					x.Stream.Write(make([]byte, 40_000))
					x.Stream.Finish(nil)
				}
				c := r.dial(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1})
				c.grant = false
				c.headers(1, true, get("/")...)
				every(func(i int) { c.fr.WriteWindowUpdate(1, tt.size) })
				if got := c.response(1).String(); got != tt.want {
					t.Errorf("got %s, want %s (%v %v)", got, tt.want, c.closed, c.goaway)
				}
			})
		}
	})
}
