package http1

import (
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// noAllocs checks that f allocates nothing in the long run.
func noAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	if raceEnabled {
		return // sync.Pool drops things at random under the race detector
	}
	for range 10 {
		f()
	}
	if n := testing.AllocsPerRun(200, f); n != 0 {
		t.Errorf("%s: %v allocations, want 0", what, n)
	}
}

func TestParsingAndSerialisingCostNoAllocation(t *testing.T) {
	var a wire.Arena
	var h requestHead
	var q wire.Request
	limits := wire.DefaultLimits()
	request := []byte(browserHead)
	noAllocs(t, "parse a request head", func() {
		a.Reset()
		q.Reset()
		h.reset(&q, &a, &limits, false)
		if done, no := h.parse(request); !done || no.status != 0 {
			t.Fatal(no)
		}
	})

	var r wire.Response
	c := cannedClient(serverHead + "hello, world\n")
	buf, n := c.in, c.end
	noAllocs(t, "parse a response head", func() {
		a.Reset()
		c.in, c.pos, c.end, c.state = buf, 0, n, stateHead
		if err := c.ReadResponse(&r, &a, "GET", 64<<10); err != nil {
			t.Fatal(err)
		}
	})

	out := benchRequest()
	noAllocs(t, "serialise a request", func() {
		if err := c.WriteRequest(out, false); err != nil {
			t.Fatal(err)
		}
	})

	b := make([]byte, 0, 4096)
	d := &wire.Dates{}
	now := time.Now()
	noAllocs(t, "serialise a response", func() {
		b, _ = appendResponse(b[:0], &r)
		b = appendDate(b, d, now)
	})
}

func TestExchangesCostNoAllocation(t *testing.T) {
	var a wire.Arena
	var resp wire.Response
	r := benchRequest()

	plain := NewClientConn(serveLoopback(t, constant{}))
	plain.SetReadTimeout(time.Minute)
	plain.SetWriteTimeout(time.Minute)
	noAllocs(t, "an exchange on both sides", func() {
		a.Reset()
		if err := oneExchange(plain, r, &resp, &a); err != nil {
			t.Fatal(err)
		}
	})

	echo := NewClientConn(serveLoopback(t, drain{}))
	body := make([]byte, 20_000)
	for what, length := range map[string]int64{"a body of known length": int64(len(body)), "a chunked body": wire.Unknown} {
		post := benchRequest()
		post.Method, post.Length = "POST", length
		noAllocs(t, what, func() {
			a.Reset()
			if err := echo.WriteRequest(post, false); err != nil {
				t.Fatal(err)
			}
			if err := echo.WriteBody(body); err != nil {
				t.Fatal(err)
			}
			if err := echo.FinishRequest(nil); err != nil {
				t.Fatal(err)
			}
			if err := echo.ReadResponse(&resp, &a, "POST", 64<<10); err != nil {
				t.Fatal(err)
			}
			for _, err := echo.Next(); err == nil; _, err = echo.Next() {
			}
			if !echo.Reusable() {
				t.Fatal("connection cannot be used again")
			}
			echo.Idle()
		})
	}
}

// drain reads the body of a request and answers in chunks.
type drain struct{}

func (drain) ServeExchange(x *filter.Exchange) {
	b := largeBuffers.Get().(*largeBuffer)
	for _, err := x.Stream.Read(b[:]); err == nil; _, err = x.Stream.Read(b[:]) {
	}
	largeBuffers.Put(b)
	x.Response.Status, x.Response.Length = 200, wire.Unknown
	x.Stream.WriteHead(&x.Response)
	x.Stream.Write(wire.Bytes("hello"))
	x.Stream.Finish(nil)
}
