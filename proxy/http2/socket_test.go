package http2

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// handshake is an extended CONNECT.
func handshake(more ...string) []string {
	return append([]string{
		":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "a.test", ":path", "/ws?a",
		"sec-websocket-version", "13",
	}, more...)
}

// accept answers a handshake as an upstream does, and returns the connection, or nil if the client is gone.
func accept(t *testing.T, x *filter.Exchange) net.Conn {
	key, _ := x.Overrides.Find("Sec-WebSocket-Key")
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	x.Response.Status = 101
	x.Response.Fields.Add("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
	x.Response.Fields.Add("Sec-WebSocket-Protocol", "chat")
	if err := x.Stream.WriteHead(&x.Response); err != nil {
		t.Errorf("WriteHead: %v", err)
	}
	x.Stream.Flush()
	nc, read, err := x.Stream.Hijack()
	if s := x.Stream.(*stream); err != nil && !s.gone.Load() || len(read) > 0 {
		t.Errorf("Hijack: %q, %v", read, err)
	}
	return nc
}

func TestHandshakesBecomeThoseOfHTTP1(t *testing.T) {
	r := newRig(t)
	large := bytes.Repeat([]byte("0123456789abcdef"), 40_000) // more than every window
	r.serve = func(x *filter.Exchange) {
		q := &x.Request
		if q.Method != "GET" || !q.Upgrade || q.Length != 0 || q.Target != "/ws?a" || q.Host != "a.test" {
			t.Errorf("the handler saw %+v", q)
		}
		if n, err := x.Stream.Read(make([]byte, 9)); n != 0 || err != io.EOF {
			t.Errorf("the body is %d bytes, %v", n, err)
		}
		nc := accept(t, x)
		if n, err := io.Copy(nc, nc); n != int64(len(large)) || err != nil {
			t.Errorf("echo: %d, %v", n, err)
		}
		if total, body := x.Stream.Written(); body != 0 || total == 0 || x.Stream.Received() != 0 {
			t.Errorf("the stream counts %d, %d, %d", total, body, x.Stream.Received())
		}
		nc.(interface{ CloseWrite() error }).CloseWrite()
		nc.Close()
	}
	c := r.dial()
	c.headers(1, false, handshake()...)
	c.fr.WriteData(1, false, []byte("early")) // before the answer
	large = append([]byte("early"), large...)
	sent, a := 5, c.at(1)
	granted := map[uint32]int{0: 65535 - 5, 1: streamWindow - 5}
	c.onGrant = func(id uint32, n int) { granted[id] += n }
	for len(a.body) < len(large) && c.closed == nil {
		n := min(len(large)-sent, granted[0], granted[1], maxPayload)
		if n == 0 {
			c.step()
			continue
		}
		c.fr.WriteData(1, false, large[sent:sent+n])
		sent, granted[0], granted[1] = sent+n, granted[0]-n, granted[1]-n
	}
	c.fr.WriteData(1, true, nil)
	if got := c.response(1); got.String() != "200" || !bytes.Equal(got.body, large) {
		t.Errorf("got %s and %d bytes", got, len(got.body))
	}
	for _, f := range a.fields {
		if f.Name == "sec-websocket-accept" || f.Name == "content-length" || f.Name == "connection" || f.Name == "upgrade" {
			t.Errorf("the client saw %s", f)
		}
	}
	if a.get("sec-websocket-protocol") != "chat" || c.settings[xhttp2.SettingEnableConnectProtocol] != 1 {
		t.Errorf("fields %v, settings %v", a.fields, c.settings)
	}
	r.serve = nil
	c.alive(3)
	await(t, "the connection idles", func() bool { return r.watch.idle.Load() == r.watch.active.Load()+1 })
}

// TestHandshakesThatAreNone and the one before are P-28.
func TestHandshakesThatAreNone(t *testing.T) {
	for name, tt := range map[string]struct {
		fields []string
		answer func(x *filter.Exchange)
		want   string
	}{
		"no protocol":           {[]string{":method", "CONNECT", ":authority", "a.test:80"}, nil, "405"},
		"empty protocol":        {[]string{":method", "CONNECT", ":protocol", "", ":scheme", "https", ":authority", "a.test", ":path", "/"}, nil, malformed},
		"another protocol":      {[]string{":method", "CONNECT", ":protocol", "connect-udp", ":scheme", "https", ":authority", "a.test", ":path", "/"}, nil, "501"},
		"protocol with GET":     {get("/", ":protocol", "websocket"), nil, malformed},
		"protocol with a GET":   {append([]string{":protocol", "websocket"}, get("/")...), nil, malformed},
		"no path":               {[]string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "a.test"}, nil, malformed},
		"no scheme":             {[]string{":method", "CONNECT", ":protocol", "websocket", ":path", "/", ":authority", "a.test"}, nil, malformed},
		"no authority":          {[]string{":method", "CONNECT", ":protocol", "websocket", ":path", "/", ":scheme", "https"}, nil, "400"},
		"a body":                {handshake("content-length", "5"), nil, "400"},
		"upgrade":               {handshake("upgrade", "websocket"), nil, malformed},
		"403 of the upstream":   {handshake(), func(x *filter.Exchange) { x.Reply(403); write(x) }, "403"},
		"200 of the upstream":   {handshake(), func(x *filter.Exchange) { x.ReplyText(200, "text/plain", "hello"); write(x) }, "502"},
		"101 of no WebSocket":   {handshake(), func(x *filter.Exchange) { x.Response.Status = 101; x.Stream.WriteHead(&x.Response) }, "RST INTERNAL_ERROR"},
		"101 without handshake": {get("/"), func(x *filter.Exchange) { x.Response.Status = 101; x.Stream.WriteHead(&x.Response) }, "RST INTERNAL_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.serve = tt.answer
			c := r.dial()
			c.headers(1, false, tt.fields...)
			a := c.response(1)
			if got, _, _ := strings.Cut(a.String(), " RST NO_ERROR"); got != tt.want || strings.Contains(string(a.body), "hello") {
				t.Errorf("got %s %q, want %s", a, a.body, tt.want)
			}
			if tt.answer == nil && r.hits.Load() != 0 {
				t.Error("it reached the handler")
			}
			r.serve = nil
			c.alive(3)
		})
	}
}

// tunnels opens one and returns what each end is.
func tunnels(t *testing.T) (*rig, *client, net.Conn, func()) {
	r := newRig(t)
	taken, done := make(chan net.Conn), make(chan struct{})
	r.serve = func(x *filter.Exchange) {
		taken <- accept(t, x)
		<-done
	}
	c := r.dial(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 10})
	c.headers(1, false, handshake()...)
	nc := <-taken
	c.until(func() bool { return c.at(1).status != "" })
	return r, c, nc, func() { close(done) }
}

func TestTunnelsHaveDeadlines(t *testing.T) {
	r, c, nc, done := tunnels(t)
	r.limit(func(l *wire.Limits) { l.BodyTimeout, l.WriteTimeout = 20*time.Millisecond, 20*time.Millisecond })
	for what, do := range map[string]func() error{
		"Read": func() error {
			nc.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			_, err := nc.Read(make([]byte, 1))
			return err
		},
		"Write": func() error {
			nc.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
			_, err := nc.Write(make([]byte, 11))
			return err
		},
	} {
		begin := time.Now()
		if err := do(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) < 90*time.Millisecond {
			t.Errorf("%s: %v after %v", what, err, time.Since(begin))
		}
	}
	nc.SetDeadline(time.Time{})
	c.fr.WriteData(1, false, []byte("x"))
	if n, err := nc.Read(make([]byte, 9)); n != 1 || err != nil {
		t.Errorf("Read after a deadline: %d, %v", n, err)
	}
	nc.SetReadDeadline(time.Now().Add(-time.Second))
	if _, err := nc.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read behind its deadline: %v", err)
	}
	nc.Close()
	done()
}

func TestTunnelsEndWithEitherSide(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(c *client, nc net.Conn)
		read func(error) bool
		want string
	}{
		"close":             {func(_ *client, nc net.Conn) { nc.Close() }, func(err error) bool { return err == net.ErrClosed }, "200 RST CANCEL"},
		"reset":             {func(c *client, _ net.Conn) { c.fr.WriteRSTStream(1, xhttp2.ErrCodeCancel) }, func(err error) bool { return err != nil && err != io.EOF }, ""},
		"end of the client": {func(c *client, _ net.Conn) { c.fr.WriteData(1, true, nil) }, func(err error) bool { return err == io.EOF }, ""},
		"trailers": {func(c *client, _ net.Conn) { c.headers(1, true, "x-sum", "1") },
			func(err error) bool { return err != nil && err != io.EOF }, "200 RST PROTOCOL_ERROR"},
		"loss": {func(c *client, _ net.Conn) { c.nc.Close() }, func(err error) bool { return err != nil && err != io.EOF }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, c, nc, done := tunnels(t)
			ended := make(chan error, 1)
			go func() {
				_, err := nc.Read(make([]byte, 1))
				ended <- err
			}()
			tt.end(c, nc)
			if err := <-ended; !tt.read(err) {
				t.Errorf("Read: %v", err)
			}
			if tt.want != "" {
				if got := c.response(1).String(); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			}
			nc.Close()
			done()
		})
	}
}

// TestTunnelsDoNotHoldUpDrain: the watcher hears when nothing else is left.
func TestTunnelsDoNotHoldUpDrain(t *testing.T) {
	r, c, nc, done := tunnels(t)
	r.srv.Shutdown()
	c.until(func() bool { return len(c.goaways) == 2 })
	await(t, "the watcher hears of the tunnel", func() bool { return r.watch.tunnels.Load() == 1 })
	nc.Close()
	done()
	if got := c.end(); got != "GOAWAY NO_ERROR" {
		t.Error(got)
	}
}
