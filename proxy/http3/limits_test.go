package http3_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/yettproxy/yett/proxy/filter"
	engine "github.com/yettproxy/yett/proxy/http3"
	"github.com/yettproxy/yett/proxy/wire"
)

// limited starts a server with other limits.
func limited(t *testing.T, h handler, change func(*wire.Limits)) *rig {
	t.Helper()
	limits := wire.DefaultLimits()
	change(&limits)
	return newRig(t, h, func(o *engine.Options) { o.Limits = func() *wire.Limits { return &limits } })
}

// TestClientsThatAskForNothingAreCut: they send PINGs, so that QUIC's own idle time does not end their connections.
func TestClientsThatAskForNothingAreCut(t *testing.T) {
	const limit = 300 * time.Millisecond
	for name, tt := range map[string]struct {
		change func(*wire.Limits)
		send   []byte
		whole  bool
		ends   bool
	}{
		"a connection without a request":    {func(l *wire.Limits) { l.HeadTimeout = limit }, nil, false, true},
		"a head that is never complete":     {func(l *wire.Limits) { l.HeadTimeout = limit }, get()[:9], false, true},
		"nothing after the first request":   {func(l *wire.Limits) { l.IdleTimeout = limit }, get(), true, true},
		"a request that takes its time":     {func(l *wire.Limits) { l.HeadTimeout, l.IdleTimeout = limit, limit }, get("x-slow=1"), true, false},
		"a request within the time of both": {func(*wire.Limits) {}, get(), true, false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			slow := make(chan struct{})
			r := limited(t, func(x *filter.Exchange) {
				if _, ok := x.Request.Fields.Find("x-slow"); ok {
					<-slow
				}
				echo(x)
			}, tt.change)
			defer close(slow)
			c, err := quic.DialAddr(ctx, r.addr, r.roots, &quic.Config{KeepAlivePeriod: limit / 10})
			if err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			if tt.send != nil {
				s, err := c.OpenStreamSync(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.Write(tt.send); err != nil {
					t.Fatal(err)
				}
				if tt.whole {
					s.Close()
				}
			}
			if !tt.ends {
				ctx, cancel = context.WithTimeout(ctx, 3*limit)
				defer cancel()
			}
			select {
			case <-c.Context().Done():
				if d := time.Since(begin); !tt.ends || d < limit*9/10 {
					t.Errorf("cut after %s: %v", d, context.Cause(c.Context()))
				}
			case <-ctx.Done():
				if tt.ends {
					t.Error("still open")
				}
			}
			_ = c.CloseWithError(0, "")
		})
	}
}

// TestConnectionsCarrySoManyRequests: those beyond go over another connection, and none is lost.
func TestConnectionsCarrySoManyRequests(t *testing.T) {
	r := limited(t, echo, func(l *wire.Limits) { l.RequestsPerConnection = 10 })
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 10 {
				resp, err := r.client.Get("https://a.test/")
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
					t.Errorf("%d, %v", resp.StatusCode, err)
				}
				resp.Body.Close()
			}
		})
	}
	group.Wait()
	// Those that are not full may stay open: the client decides how many it begins.
	full := func() bool { st := r.server.Stats(); return st.Handled-uint64(st.Active) >= 2 }
	for end := time.Now().Add(10 * time.Second); !full(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%+v: want the connections closed that are full", r.server.Stats())
		}
	}
}

// TestClientsMustKeepPace: a byte now and then is within every time-out, but not within wire.Pace. Slow transfers that move survive,
// and so do bodies of unknown length, which may be streams.
func TestClientsMustKeepPace(t *testing.T) {
	const timeout, tick, ticks = 400 * time.Millisecond, 50 * time.Millisecond, 24
	for name, tt := range map[string]struct {
		length int64
		size   int
		want   int
	}{
		"a byte at a time":                      {100_000, 1, 408},
		"a byte at a time of an unknown length": {-1, 1, 200},
		"slow, but moving":                      {5000 * ticks, 5000, 200},
	} {
		t.Run(name, func(t *testing.T) {
			r := limited(t, func(x *filter.Exchange) {
				status := 200
				if _, err := io.Copy(io.Discard, x.Stream); err != nil {
					var bad *wire.BodyError
					if status = 500; errors.As(err, &bad) {
						status = bad.Status
					}
				}
				x.ReplyText(status, "", "")
				finish(x, nil)
			}, func(l *wire.Limits) { l.BodyTimeout = timeout })
			pr, pw := io.Pipe()
			go func() {
				for range ticks {
					if _, err := pw.Write(make([]byte, tt.size)); err != nil {
						return
					}
					time.Sleep(tick)
				}
				if tt.want == 200 {
					pw.Close()
				}
			}()
			defer pw.Close()
			req, err := http.NewRequest("POST", "https://a.test/", pr)
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = tt.length
			resp, err := r.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != tt.want {
				t.Errorf("%d, want %d", resp.StatusCode, tt.want)
			}
		})
	}
}

func TestReadersMustKeepPace(t *testing.T) {
	const timeout, tick, ticks = 400 * time.Millisecond, 50 * time.Millisecond, 24
	large := strings.Repeat("x", 2<<20) // more than the windows
	for name, tt := range map[string]struct {
		size int
		cut  bool
	}{"a byte at a time": {1, true}, "slow, but moving": {64 << 10, false}} {
		t.Run(name, func(t *testing.T) {
			failed := make(chan error, 1)
			r := limited(t, func(x *filter.Exchange) {
				x.Response.Status, x.Response.Length = 200, int64(len(large))
				err := x.Stream.WriteHead(&x.Response)
				if err == nil {
					_, err = io.WriteString(x.Stream, large)
				}
				if err == nil {
					err = x.Stream.Finish(nil)
				}
				failed <- err
			}, func(l *wire.Limits) { l.WriteTimeout = timeout })
			resp, err := r.client.Get("https://a.test/")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			b := make([]byte, tt.size)
			for range ticks {
				if _, err := io.ReadFull(resp.Body, b); err != nil {
					break
				}
				time.Sleep(tick)
			}
			if !tt.cut {
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					t.Errorf("slow, but moving: %v", err)
				}
			}
			select {
			case err := <-failed:
				if (err != nil) != tt.cut {
					t.Errorf("the response ended with %v", err)
				}
			case <-time.After(10 * time.Second):
				t.Error("the response goes on")
			}
		})
	}
}
