package http2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// patience is how long a test waits for anything.
const patience = 10 * time.Second

// seen is a request as the handler saw it, cloned.
type seen struct {
	method, target, path, query, host, authority string
	fields, trailers                             []wire.Field
	length                                       int64
	body                                         string
	err                                          error
	expect                                       bool
}

func (s *seen) get(name string) (string, bool) {
	for _, f := range s.fields {
		if wire.EqualFold(f.Name, name) {
			return f.Value, true
		}
	}
	return "", false
}

// watcher notes what the engine says about connections.
type watcher struct {
	active, idle, tunnels atomic.Int64
	closing               atomic.Bool
}

func (w *watcher) Idle() bool {
	w.idle.Add(1)
	return !w.closing.Load()
}

func (w *watcher) Active() bool {
	w.active.Add(1)
	return true
}

func (w *watcher) Tunnel() { w.tunnels.Add(1) }

// rig is a server on loopback with a handler that records what it is given, reads the body and answers 200
// "ok", unless the test has another idea.
type rig struct {
	tb       testing.TB
	srv      Server
	addr     string
	limits   atomic.Pointer[wire.Limits]
	serve    func(x *filter.Exchange)
	watch    watcher
	draining atomic.Bool
	hits     atomic.Int64

	mu       sync.Mutex
	seen     []*seen
	rejected []string
}

func newRig(tb testing.TB) *rig {
	r := &rig{tb: tb}
	r.limit(func(l *wire.Limits) { l.HeadTimeout, l.IdleTimeout, l.BodyTimeout = patience, patience, patience })
	r.srv = Server{
		Handler: r, Limits: r.limits.Load, Draining: r.draining.Load,
		Rejected: func(x *filter.Exchange, reason string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.rejected = append(r.rejected, reason)
		},
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	r.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			done.Go(func() { r.srv.Serve(ctx, conn, &filter.Conn{Watch: &r.watch}) })
		}
	})
	tb.Cleanup(func() {
		l.Close()
		cancel()
		done.Wait()
		r.srv.Shutdown()
	})
	return r
}

// limit changes the limits.
func (r *rig) limit(change func(l *wire.Limits)) {
	l := wire.DefaultLimits()
	if now := r.limits.Load(); now != nil {
		l = *now
	}
	change(&l)
	r.limits.Store(&l)
}

// ServeExchange implements Handler.
func (r *rig) ServeExchange(x *filter.Exchange) {
	r.hits.Add(1)
	if r.serve != nil {
		r.serve(x)
		return
	}
	s := r.record(x)
	var bad *wire.BodyError
	switch {
	case s.err == nil:
		x.ReplyText(200, "text/plain", "ok")
	case errors.As(s.err, &bad) && bad.Status != 499:
		x.Reply(bad.Status)
	default:
		x.Stream.Abort()
		return
	}
	write(x)
}

// write sends the answer that is in the exchange.
func write(x *filter.Exchange) {
	if x.Stream.WriteHead(&x.Response) != nil {
		return
	}
	if _, err := x.Stream.Write(wire.Bytes(x.Body)); err != nil {
		return
	}
	x.Stream.Finish(nil)
}

// record reads the body and notes the request.
func (r *rig) record(x *filter.Exchange) *seen {
	q := &x.Request
	body, err := io.ReadAll(x.Stream)
	s := &seen{
		method: strings.Clone(q.Method), target: strings.Clone(q.Target), path: strings.Clone(q.Path), query: strings.Clone(q.Query),
		host: strings.Clone(q.Host), authority: strings.Clone(q.Authority), length: q.Length, body: string(body), err: err,
		expect: q.ExpectContinue, fields: cloneFields(q.Fields.All()),
	}
	if t := x.Stream.Trailers(); t != nil {
		s.trailers = cloneFields(t.All())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = append(r.seen, s)
	return s
}

func cloneFields(fields []wire.Field) []wire.Field {
	var out []wire.Field
	for _, f := range fields {
		out = append(out, wire.Field{Name: strings.Clone(f.Name), Value: strings.Clone(f.Value), ID: f.ID})
	}
	return out
}

// requests returns what the handler saw so far.
func (r *rig) requests() []*seen {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*seen(nil), r.seen...)
}

// await waits for a condition.
func await(tb testing.TB, what string, f func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !f(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("%s: it did not happen", what)
		}
	}
}

// client is a client that may do anything.
type client struct {
	tb   testing.TB
	nc   net.Conn
	fr   *xhttp2.Framer
	enc  *hpack.Encoder
	ebuf bytes.Buffer
	dec  *hpack.Decoder

	answers  map[uint32]*answer
	settings map[xhttp2.SettingID]uint32
	goaways  []uint32
	goaway   xhttp2.ErrCode
	ended    bool // GOAWAY was seen
	closed   error
	pongs    int
	acks     int
	grant    bool // open windows again for what was received
	mute     bool // do not acknowledge SETTINGS
	connLeft int  // of the window for bodies, kept by sendWindow
	onGrant  func(id uint32, n int)
}

// answer is what came back on a stream.
type answer struct {
	interim  []string
	status   string
	fields   []hpack.HeaderField
	trailers []hpack.HeaderField
	body     []byte
	frames   int
	done     bool
	reset    bool
	code     xhttp2.ErrCode
}

// String is the short form that tables compare.
func (a *answer) String() string {
	switch {
	case a.reset && a.status == "":
		return "RST " + a.code.String()
	case a.reset:
		return a.status + " RST " + a.code.String()
	case !a.done:
		return "nothing"
	}
	return a.status
}

func (a *answer) get(name string) string {
	for _, f := range a.fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// dial connects and exchanges SETTINGS.
func (r *rig) dial(settings ...xhttp2.Setting) *client {
	r.tb.Helper()
	c := r.dialRaw()
	io.WriteString(c.nc, xhttp2.ClientPreface)
	c.must(c.fr.WriteSettings(settings...))
	return c
}

// dialRaw connects and says nothing.
func (r *rig) dialRaw() *client {
	r.tb.Helper()
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.tb.Fatal(err)
	}
	r.tb.Cleanup(func() { nc.Close() })
	c := r.encoder()
	c.nc = nc
	c.fr = xhttp2.NewFramer(nc, nc)
	c.fr.AllowIllegalWrites = true
	return c
}

// encoder returns a client without a connection.
func (r *rig) encoder() *client {
	c := &client{tb: r.tb, answers: make(map[uint32]*answer), settings: make(map[xhttp2.SettingID]uint32), grant: true}
	c.enc = hpack.NewEncoder(&c.ebuf)
	c.dec = hpack.NewDecoder(4096, nil)
	return c
}

func (c *client) must(err error) {
	c.tb.Helper()
	if err != nil {
		c.tb.Fatal(err)
	}
}

// block encodes fields: names and values in turn.
func (c *client) block(pairs ...string) []byte {
	c.ebuf.Reset()
	for i := 0; i+1 < len(pairs); i += 2 {
		c.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return bytes.Clone(c.ebuf.Bytes())
}

// headers sends a HEADERS frame.
func (c *client) headers(id uint32, end bool, pairs ...string) {
	c.fr.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: c.block(pairs...), EndStream: end, EndHeaders: true})
}

// get is an ordinary request.
func get(path string, more ...string) []string {
	return append([]string{":method", "GET", ":scheme", "http", ":authority", "a.test", ":path", path}, more...)
}

// post is an ordinary request with a body.
func post(path string, more ...string) []string {
	return append([]string{":method", "POST", ":scheme", "http", ":authority", "a.test", ":path", path}, more...)
}

// at returns the answer on a stream.
func (c *client) at(id uint32) *answer {
	if c.answers[id] == nil {
		c.answers[id] = new(answer)
	}
	return c.answers[id]
}

// step reads a frame. It is false at the end of the connection.
func (c *client) step() bool {
	if c.closed != nil {
		return false
	}
	c.nc.SetReadDeadline(time.Now().Add(patience))
	f, err := c.fr.ReadFrame()
	if err != nil {
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			c.tb.Fatal("nothing comes, and the connection is open")
		}
		c.closed = err
		return false
	}
	c.take(f)
	return true
}

// take acts on a frame.
func (c *client) take(f xhttp2.Frame) {
	switch f := f.(type) {
	case *xhttp2.SettingsFrame:
		if f.IsAck() {
			c.acks++
			return
		}
		f.ForeachSetting(func(s xhttp2.Setting) error {
			c.settings[s.ID] = s.Val
			return nil
		})
		if !c.mute {
			c.fr.WriteSettingsAck()
		}
	case *xhttp2.PingFrame:
		if f.IsAck() {
			c.pongs++
		} else {
			c.fr.WritePing(true, f.Data)
		}
	case *xhttp2.GoAwayFrame:
		c.ended, c.goaway = true, f.ErrCode
		c.goaways = append(c.goaways, f.LastStreamID)
	case *xhttp2.RSTStreamFrame:
		a := c.at(f.StreamID)
		a.reset, a.code = true, f.ErrCode
	case *xhttp2.DataFrame:
		a := c.at(f.StreamID)
		a.body = append(a.body, f.Data()...)
		a.frames++
		a.done = a.done || f.StreamEnded()
		if n := uint32(len(f.Data())); c.grant && n > 0 {
			c.fr.WriteWindowUpdate(0, n)
			if !f.StreamEnded() {
				c.fr.WriteWindowUpdate(f.StreamID, n)
			}
		}
	case *xhttp2.HeadersFrame:
		c.takeHead(f)
	case *xhttp2.WindowUpdateFrame:
		if c.onGrant != nil {
			c.onGrant(f.StreamID, int(f.Increment))
		}
	}
}

// takeHead decodes a head.
func (c *client) takeHead(f *xhttp2.HeadersFrame) {
	block, ended, id, end := bytes.Clone(f.HeaderBlockFragment()), f.HeadersEnded(), f.StreamID, f.StreamEnded()
	for !ended {
		more, err := c.fr.ReadFrame()
		c.must(err)
		block = append(block, more.(*xhttp2.ContinuationFrame).HeaderBlockFragment()...)
		ended = more.(*xhttp2.ContinuationFrame).HeadersEnded()
	}
	fields, err := c.dec.DecodeFull(block)
	c.must(err)
	a := c.at(id)
	a.done = a.done || end
	switch {
	case len(fields) == 0 || fields[0].Name != ":status":
		a.trailers = fields
	case fields[0].Value[0] == '1':
		a.interim = append(a.interim, fields[0].Value)
	default:
		a.status, a.fields = fields[0].Value, fields[1:]
	}
}

// until reads until a condition holds, or the connection is closed.
func (c *client) until(f func() bool) {
	c.tb.Helper()
	for !f() && c.step() {
	}
}

// response reads until a stream is over.
func (c *client) response(id uint32) *answer {
	c.tb.Helper()
	a := c.at(id)
	c.until(func() bool { return a.done || a.reset })
	return a
}

// end reads until the connection is closed and returns how it ended.
func (c *client) end() string {
	c.tb.Helper()
	c.until(func() bool { return false })
	if c.ended {
		return "GOAWAY " + c.goaway.String()
	}
	return "closed"
}

// alive checks that the connection still works.
func (c *client) alive(id uint32) {
	c.tb.Helper()
	c.headers(id, true, get("/alive")...)
	if got := c.response(id).String(); got != "200" {
		c.tb.Fatalf("the connection does not work any more: %s (%v)", got, c.closed)
	}
}
