package e2e

import (
	"strings"
	"testing"

	"github.com/yettproxy/yett/e2e/h2raw"
)

// calmedDown is how floods end.
const calmedDown = "GOAWAY ENHANCE_YOUR_CALM"

// held sends a request that the Service does not answer, and returns its stream.
func held(c *h2raw.Conn, i int) uint32 {
	id := uint32(2*i + 1)
	c.Request(id, true, lines("GET", "/hold")...)
	return id
}

// TestFloodsOfFrames is reliability: rapid reset (CVE-2023-44487), made-you-reset (CVE-2025-8671), CONTINUATION, and frames that cost
// nothing. Ten connections each.
func TestFloodsOfFrames(t *testing.T) {
	hold := func(c *h2raw.Conn) {
		c.Request(1, false, lines("POST", "/hold")...)
	}
	begin := func(c *h2raw.Conn) { open(c, 1) }
	large := h2raw.NewEncoder().Field(nil, h2raw.Field{Name: "x-a", Value: strings.Repeat("v", 1000)}, h2raw.Without)
	floods := []flood{
		{"S-F1 rapid reset", nil, nil, func(c *h2raw.Conn, i int) error { return c.Send(h2raw.ResetFrame(held(c, i), h2raw.Cancel)) }, 20_000, 1280},
		{"S-F2 made you reset: window of 0", nil, nil, func(c *h2raw.Conn, i int) error { return c.Send(h2raw.Window(held(c, i), 0)) }, 20_000, 1280},
		{"S-F2 made you reset: PRIORITY", nil, nil, func(c *h2raw.Conn, i int) error {
			id := held(c, i)
			return c.Send(h2raw.PriorityFrame(id, id))
		}, 20_000, 1280},
		{"S-F2 made you reset: DATA", nil, nil, func(c *h2raw.Conn, i int) error { return c.Send(h2raw.DataFrame(held(c, i), true, nil)) }, 20_000, 1280},
		{"S-F3 CONTINUATION", nil, begin, func(c *h2raw.Conn, _ int) error {
			return c.Send(h2raw.Frame{Type: h2raw.Continuation, Stream: 1, Payload: large})
		}, 10_000, 0},
		{"S-F3 empty CONTINUATION", nil, begin, func(c *h2raw.Conn, _ int) error {
			return c.Send(h2raw.Frame{Type: h2raw.Continuation, Stream: 1})
		}, 200_000, 0},
		{"S-F6 SETTINGS", nil, nil, func(c *h2raw.Conn, _ int) error { return c.Send(h2raw.SettingsFrame()) }, 200_000, 0},
		{"S-F6 PING", nil, nil, func(c *h2raw.Conn, _ int) error { return c.Send(h2raw.PingFrame(0, "12345678")) }, 200_000, 0},
		{"S-F6 PRIORITY", nil, nil, func(c *h2raw.Conn, _ int) error { return c.Send(h2raw.PriorityFrame(9, 3)) }, 200_000, 0},
		{"S-F6 empty DATA", nil, hold, func(c *h2raw.Conn, _ int) error { return c.Send(h2raw.DataFrame(1, false, nil)) }, 200_000, 1},
		{"S-F6 WINDOW_UPDATE(1)", nil, hold, func(c *h2raw.Conn, _ int) error {
			return c.Send(h2raw.Frame{Type: h2raw.WindowUpdate, Stream: 1, Payload: []byte{0, 0, 0, 1}})
		}, 200_000, 1},
	}
	x := newTarget(t)
	for name, dial := range x.ways() {
		for _, f := range floods {
			t.Run(name+" "+f.name, func(t *testing.T) {
				x.t = t
				r := x.under(f.run(x, dial, 10))
				if r.max > f.bar {
					t.Errorf("a connection got through with %d frames, want at most %d", r.max, f.bar)
				}
				connections := int64(10)
				for end, n := range r.ends {
					if connections += int64(n); end != calmedDown && end != "closed" { // the reset of the socket may overtake GOAWAY
						t.Errorf("%d connections ended with %s, want %s", n, end, calmedDown)
					}
				}
				if r.ends[calmedDown] == 0 {
					t.Errorf("no connection ended with %s: %v", calmedDown, r.ends)
				}
				if r.hits > connections*f.hits {
					t.Errorf("%d requests of %d connections reached the Service, want at most %d each", r.hits, connections, f.hits)
				}
			})
		}
	}
}
