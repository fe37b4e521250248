package http2

import (
	"runtime"
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// flood sends frames until the server ends the connection, and returns how many it took and how it ended.
func flood(r *rig, prepare func(c *client), send func(c *client, i int) error, most int) (n int, end string) {
	c := r.dial()
	if prepare != nil {
		prepare(c)
	}
	stop := make(chan struct{})
	sent := make(chan int, 1)
	go func() {
		for i := range most {
			select {
			case <-stop:
				sent <- i
				return
			default:
			}
			c.nc.SetWriteDeadline(time.Now().Add(patience))
			if send(c, i) != nil {
				sent <- i
				return
			}
		}
		sent <- most
	}()
	in := xhttp2.NewFramer(nil, c.nc) // answers would race with the sender
	for {
		c.nc.SetReadDeadline(time.Now().Add(patience))
		f, err := in.ReadFrame()
		if err != nil {
			break
		}
		if g, ok := f.(*xhttp2.GoAwayFrame); ok {
			end = "GOAWAY " + g.ErrCode.String()
			break
		}
	}
	close(stop)
	return <-sent, end
}

func TestFloodsEndTheConnection(t *testing.T) {
	const calm = "GOAWAY ENHANCE_YOUR_CALM"
	hold := func(c *client) {
		for id := uint32(1); id < 200; id += 2 {
			c.headers(id, false, post("/hold")...)
		}
	}
	request := func(c *client, i int, more ...string) uint32 {
		id := uint32(2*i + 1)
		c.headers(id, true, get("/hold", more...)...)
		return id
	}
	for name, tt := range map[string]struct {
		prepare func(c *client)
		send    func(c *client, i int) error
		bar     int // the most that may be sent
		hits    int64
	}{
		"S-F1 rapid reset": {nil, func(c *client, i int) error {
			return c.fr.WriteRSTStream(request(c, i), xhttp2.ErrCodeCancel)
		}, 40_000, 1280},
		"S-F2 made you reset by WINDOW_UPDATE of 0": {nil, func(c *client, i int) error {
			return c.fr.WriteWindowUpdate(request(c, i), 0)
		}, 40_000, 1280},
		"S-F2 made you reset by a window too large": {nil, func(c *client, i int) error {
			return c.fr.WriteWindowUpdate(request(c, i), 1<<31-1)
		}, 40_000, 1280},
		"S-F2 made you reset by PRIORITY": {nil, func(c *client, i int) error {
			id := request(c, i)
			return c.fr.WritePriority(id, xhttp2.PriorityParam{StreamDep: id})
		}, 40_000, 1280},
		"S-F2 made you reset by DATA after the end": {nil, func(c *client, i int) error {
			return c.fr.WriteData(request(c, i), true, nil)
		}, 40_000, 1280},
		"S-F2 made you reset by malformed heads": {nil, func(c *client, i int) error {
			c.headers(uint32(2*i+1), true, ":method", "GET")
			return c.fr.WritePing(true, [8]byte{})
		}, 40_000, 0},
		"S-F3 CONTINUATION": {func(c *client) { c.open(1) }, func(c *client, i int) error {
			return c.fr.WriteContinuation(1, false, c.block("x-a", strings.Repeat("v", 1000)))
		}, 1 << 17, 0},
		"S-F3 empty CONTINUATION": {func(c *client) { c.open(1) }, func(c *client, i int) error {
			return c.fr.WriteContinuation(1, false, nil)
		}, 200_000, 0},
		"S-F6 SETTINGS":         {nil, func(c *client, i int) error { return c.fr.WriteSettings() }, 200_000, 0},
		"S-F6 PING":             {nil, func(c *client, i int) error { return c.fr.WritePing(false, [8]byte{}) }, 200_000, 0},
		"S-F6 PRIORITY":         {nil, func(c *client, i int) error { return c.fr.WritePriority(9, xhttp2.PriorityParam{StreamDep: 3}) }, 200_000, 0},
		"S-F6 empty DATA":       {hold, func(c *client, i int) error { return c.fr.WriteData(1, false, nil) }, 200_000, 128},
		"S-F6 WINDOW_UPDATE(1)": {hold, func(c *client, i int) error { return c.fr.WriteWindowUpdate(1, 1) }, 200_000, 128},
		"unknown frames":        {nil, func(c *client, i int) error { return c.fr.WriteRawFrame(0x99, 0, 0, nil) }, 200_000, 0},
		"streams over the limit": {hold, func(c *client, i int) error {
			c.headers(uint32(2*i+1001), true, get("/")...)
			return c.fr.WritePing(true, [8]byte{})
		}, 200_000, 128},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			release := make(chan struct{})
			r.serve = func(x *filter.Exchange) {
				<-release
				x.ReplyText(200, "", "ok")
				write(x)
			}
			n, end := flood(r, tt.prepare, tt.send, tt.bar)
			close(release)
			if end != calm { // no more than the bar was sent; how much of that waited in sockets is chance
				t.Errorf("after %d of %d: %q", n, tt.bar, end)
			}
			if hits := r.hits.Load(); hits > tt.hits {
				t.Errorf("%d requests reached the handler, want at most %d", hits, tt.hits)
			}
		})
	}
}

// TestTheServerCountsResets pins the bar of S-F1: at most a thousand early resets.
func TestTheServerCountsResets(t *testing.T) {
	r := newRig(t)
	c := r.dial()
	n := 0
	for i := range 1001 {
		c.headers(uint32(2*i+1), false, post("/")...)
		if c.fr.WriteRSTStream(uint32(2*i+1), xhttp2.ErrCodeCancel) != nil {
			break
		}
		n++
	}
	if got := c.end(); got != "GOAWAY ENHANCE_YOUR_CALM" && got != "closed" {
		t.Errorf("%s after %d resets", got, n)
	}
}

func TestOrdinaryClientsAreCalmEnough(t *testing.T) {
	r := newRig(t)
	r.limit(func(l *wire.Limits) { l.RequestsPerConnection = 10_000 })
	c := r.dial()
	id := uint32(1)
	for range 700 { // more than the budget of resets, half of them given up
		c.headers(id, false, post("/")...)
		c.fr.WriteRSTStream(id, xhttp2.ErrCodeCancel)
		c.alive(id + 2)
		id += 4
		c.fr.WritePing(false, [8]byte{})
		c.fr.WriteWindowUpdate(0, 100)
	}
}

// heapAfter returns the live heap.
func heapAfter() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// TestBombsStaySmall is S-F4: heads of many references to one entry of the table, with responses that nobody reads.
func TestBombsStaySmall(t *testing.T) {
	const conns, bar = 10, 2 << 20
	for name, tt := range map[string]struct {
		seed  []string
		n     int
		want  string
		value string
	}{
		"15000 references":              {[]string{"x-a", strings.Repeat("v", 3000)}, 15_000, "431", ""},
		"references under the limit":    {[]string{"x-a", ""}, 90, "", ""},
		"15000 cookie crumbs":           {[]string{"cookie", strings.Repeat("v", 3000)}, 15_000, "431", ""},
		"cookie crumbs under the limit": {[]string{"cookie", "a"}, 700, "", ""},
		"long values under the limit":   {[]string{"x-a", strings.Repeat("v", 3000)}, 10, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			release := make(chan struct{})
			r.serve = func(x *filter.Exchange) {
				x.Response.Status, x.Response.Length = 200, wire.Unknown
				x.Stream.WriteHead(&x.Response)
				x.Stream.Write(bombBody)
				<-release
			}
			before := heapAfter()
			var list []*client
			for range conns {
				c := r.dial(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 0})
				list = append(list, c)
				for i := range 128 {
					id := uint32(2*i + 1)
					c.fr.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: c.block(get("/")...), EndStream: true})
					block := c.block(tt.seed...) // a literal that is indexed, the first time
					one := c.block(tt.seed...)   // a reference of one byte
					for range tt.n {
						block = append(block, one...)
					}
					for len(block) > 16000 {
						c.fr.WriteContinuation(id, false, block[:16000])
						block = block[16000:]
					}
					c.fr.WriteContinuation(id, true, block)
				}
				c.fr.WritePing(false, [8]byte{})
				c.until(func() bool { return c.pongs == 1 })
				if tt.want != "" && c.answers[1].status != tt.want {
					t.Fatalf("stream 1: %v", c.answers[1])
				}
			}
			if grown := int64(heapAfter()) - int64(before); grown > conns*bar {
				t.Errorf("%d connections hold %d KB each, want at most %d", conns, grown/conns>>10, bar>>10)
			} else {
				t.Logf("%d KB a connection", grown/conns>>10)
			}
			close(release)
			for _, c := range list {
				c.nc.Close()
			}
		})
	}
}

// TestFieldsOfAllRequestsAreCounted sends heads that are short to send and long to keep: what goes beyond the budget is refused, and
// there is room again once requests are over.
func TestFieldsOfAllRequestsAreCounted(t *testing.T) {
	r := newRig(t)
	release := make(chan struct{})
	r.serve = func(x *filter.Exchange) {
		<-release
		x.Reply(200)
		write(x)
	}
	c := r.dial()
	var pairs []string
	for range 90 {
		pairs = append(pairs, "x-a", "")
	}
	const most = fieldBudget/90 + 1
	for i := range most + 10 {
		c.headers(uint32(2*i+1), true, get("/", pairs...)...)
	}
	for i := most; i < most+10; i++ {
		if got := c.response(uint32(2*i + 1)).String(); got != "RST REFUSED_STREAM" {
			t.Fatalf("request %d: %q", i, got)
		}
	}
	close(release)
	for i := range most {
		if got := c.response(uint32(2*i + 1)).status; got != "200" {
			t.Fatalf("request %d: %s", i, got)
		}
	}
	id := uint32(1001)
	await(t, "room after the others", func() bool { // a response may be here before its stream is over
		c.headers(id, true, get("/", pairs...)...)
		id += 2
		return c.response(id-2).status == "200"
	})
}

// bombBody is what the handlers of bombs would like to send.
var bombBody = make([]byte, 1<<20)

// TestStalledResponsesAreCut is S-F5: 100 streams without a window.
func TestStalledResponsesAreCut(t *testing.T) {
	r := newRig(t)
	r.limit(func(l *wire.Limits) { l.WriteTimeout = 200 * time.Millisecond })
	written := make(chan int64, 100)
	r.serve = func(x *filter.Exchange) {
		endless(x, 1<<30)
		_, body := x.Stream.Written()
		written <- body
	}
	c := r.dial(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 0})
	for id := uint32(1); id < 200; id += 2 {
		c.headers(id, true, get("/")...)
	}
	for range 100 {
		select {
		case n := <-written:
			if n != 0 {
				t.Errorf("%d bytes without a window", n)
			}
		case <-time.After(patience):
			t.Fatal("a stream is still stalled")
		}
	}
	for id := uint32(1); id < 200; id += 2 {
		if got := c.response(id).String(); got != "200 RST CANCEL" {
			t.Fatalf("stream %d: %s", id, got)
		}
	}
}

// TestSlowClientsAreCut holds slowloris in all its forms.
func TestSlowClientsAreCut(t *testing.T) {
	short := func(r *rig) {
		r.limit(func(l *wire.Limits) {
			l.HeadTimeout, l.BodyTimeout, l.IdleTimeout, l.WriteTimeout = 150*time.Millisecond, 150*time.Millisecond, 150*time.Millisecond, 150*time.Millisecond
		})
	}
	t.Run("P-35 silence", func(t *testing.T) {
		r := newRig(t)
		short(r)
		if got := r.dialRaw().end(); got != "GOAWAY NO_ERROR" {
			t.Error(got)
		}
	})
	t.Run("P-35 preface, then silence", func(t *testing.T) {
		r := newRig(t)
		short(r)
		if got := r.dial().end(); got != "GOAWAY NO_ERROR" {
			t.Error(got)
		}
	})
	t.Run("head that does not end, although other frames come", func(t *testing.T) {
		r := newRig(t)
		short(r)
		c := r.dial()
		c.mute = true
		c.open(1)
		go func() {
			for range 100 {
				time.Sleep(20 * time.Millisecond)
				if c.fr.WriteContinuation(1, false, nil) != nil {
					return
				}
			}
		}()
		begin := time.Now()
		if got := c.end(); got != "GOAWAY NO_ERROR" || time.Since(begin) > time.Second {
			t.Error(got, time.Since(begin))
		}
	})
	t.Run("body", func(t *testing.T) {
		r := newRig(t)
		short(r)
		c := r.dial()
		c.headers(1, false, post("/")...)
		if got := c.response(1).status; got != "408" {
			t.Error(got)
		}
	})
	t.Run("idle", func(t *testing.T) {
		r := newRig(t)
		short(r)
		c := r.dial()
		c.alive(1)
		if got := c.end(); got != "GOAWAY NO_ERROR" {
			t.Error(got)
		}
	})
	t.Run("not reading", func(t *testing.T) {
		r := newRig(t)
		short(r)
		done := make(chan error, 1)
		r.serve = func(x *filter.Exchange) { done <- endless(x, 1<<30) }
		c := r.dial(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1<<31 - 1})
		c.fr.WriteWindowUpdate(0, 1<<30)
		c.headers(1, true, get("/")...)
		select {
		case err := <-done:
			if err == nil {
				t.Error("no error")
			}
		case <-time.After(patience):
			t.Error("still writing")
		}
	})
}
