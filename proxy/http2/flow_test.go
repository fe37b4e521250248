package http2

import (
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// endless writes a body of n bytes in pieces and returns why it had to stop.
func endless(x *filter.Exchange, n int) error {
	x.Response.Status, x.Response.Length = 200, wire.Unknown
	if err := x.Stream.WriteHead(&x.Response); err != nil {
		return err
	}
	piece := make([]byte, 32<<10)
	for i := range piece {
		piece[i] = byte(i * 7)
	}
	for sent := 0; sent < n; {
		m := min(len(piece), n-sent)
		if _, err := x.Stream.Write(piece[:m]); err != nil {
			return err
		}
		sent += m
	}
	return x.Stream.Finish(nil)
}

func TestResponsesWaitForTheWindowOfTheirStream(t *testing.T) {
	r := newRig(t)
	var mu sync.Mutex
	written := 0
	r.serve = func(x *filter.Exchange) {
		x.Response.Status, x.Response.Length = 200, wire.Unknown
		x.Stream.WriteHead(&x.Response)
		piece := make([]byte, 8<<10)
		for range 128 {
			if _, err := x.Stream.Write(piece); err != nil {
				return
			}
			mu.Lock()
			written += len(piece)
			mu.Unlock()
		}
		x.Stream.Finish(nil)
	}
	c := r.dial(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 20_000})
	c.grant = false
	c.headers(1, true, get("/")...)
	a := c.at(1)
	c.until(func() bool { return len(a.body) == 20_000 })
	c.fr.WritePing(false, [8]byte{})
	c.until(func() bool { return c.pongs == 1 })
	mu.Lock()
	if len(a.body) != 20_000 || written > 20_000+gatherSize+8<<10 {
		t.Errorf("%d bytes received, %d written, with a window of 20000", len(a.body), written)
	}
	mu.Unlock()
	c.fr.WriteWindowUpdate(0, 2<<20)
	c.fr.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 30_000})
	c.until(func() bool { return len(a.body) == 30_000 })
	c.fr.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 0}) // negative for this stream
	c.fr.WriteWindowUpdate(1, 40_000)
	c.until(func() bool { return len(a.body) == 40_000 })
	c.fr.WriteWindowUpdate(1, 2<<20)
	if c.response(1); a.String() != "200" || len(a.body) != 1<<20 {
		t.Errorf("%s, %d bytes", a, len(a.body))
	}
}

func TestResponsesShareTheWindowOfTheConnection(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) { endless(x, 100_000) }
	c := r.dial(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 20})
	c.grant = false
	for id := uint32(1); id < 20; id += 2 {
		c.headers(id, true, get("/")...)
	}
	total := func() (n int) {
		for _, a := range c.answers {
			n += len(a.body)
		}
		return n
	}
	c.until(func() bool { return total() == defaultWindow })
	c.fr.WriteWindowUpdate(0, 1_000_000-defaultWindow)
	c.until(func() bool { return total() == 1_000_000 })
	for id := uint32(1); id < 20; id += 2 {
		if got := c.response(id).String(); got != "200" {
			t.Errorf("stream %d: %s", id, got)
		}
	}
}

func TestBodiesOfAllSizesArriveWhole(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		sum := sha256.New()
		n, err := io.Copy(sum, struct{ io.Reader }{x.Stream})
		if err != nil {
			x.Stream.Abort()
			return
		}
		if n != x.Stream.Received() {
			t.Errorf("%d bytes read, %d received", n, x.Stream.Received())
		}
		x.ReplyText(200, "", string(sum.Sum(nil)))
		write(x)
	}
	c := r.dial()
	c.mute, c.grant = true, false // its frames would race with those below
	id := uint32(1)
	for _, size := range []int{0, 1, 16383, 16384, 16385, 65535, streamWindow, connWindow + 1, 3 << 20} {
		body := make([]byte, size)
		for i := range body {
			body[i] = byte(i ^ i>>8)
		}
		c.headers(id, false, post("/")...)
		done := make(chan struct{})
		// A reader of frames beside the writer: the server opens windows as it goes.
		sw := newSendWindow(c, id)
		go func() {
			defer close(done)
			sw.run()
		}()
		for rest := body; len(rest) > 0; {
			n := sw.take(min(len(rest), 16384))
			c.fr.WriteData(id, false, rest[:n])
			rest = rest[n:]
		}
		c.fr.WriteData(id, true, nil)
		<-done
		want := sha256.Sum256(body)
		if a := sw.answer; a.status != "200" || string(a.body) != string(want[:]) {
			t.Errorf("size %d: %s", size, a)
		}
		id += 2
	}
}

// sendWindow follows what the server grants while a body is sent.
type sendWindow struct {
	c            *client
	id           uint32
	mu           sync.Mutex
	cond         *sync.Cond
	stream, conn int
	answer       *answer
}

func newSendWindow(c *client, id uint32) *sendWindow {
	s := &sendWindow{c: c, id: id, stream: streamWindow, answer: c.at(id)}
	s.conn = connWindow - defaultWindow
	s.cond = sync.NewCond(&s.mu)
	if id > 1 {
		s.conn = c.connLeft
	} else {
		s.conn = defaultWindow
	}
	return s
}

// run reads frames until the response is complete.
func (s *sendWindow) run() {
	for !s.answer.done && !s.answer.reset {
		s.c.nc.SetReadDeadline(time.Now().Add(patience))
		f, err := s.c.fr.ReadFrame()
		if err != nil {
			s.c.tb.Error(err)
			break
		}
		if w, ok := f.(*xhttp2.WindowUpdateFrame); ok {
			s.mu.Lock()
			if w.StreamID == 0 {
				s.conn += int(w.Increment)
			} else {
				s.stream += int(w.Increment)
			}
			s.cond.Signal()
			s.mu.Unlock()
			continue
		}
		s.c.take(f)
	}
	s.c.connLeft = s.conn
}

// take waits for a window of up to n bytes.
func (s *sendWindow) take(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.stream == 0 || s.conn == 0 {
		s.cond.Wait()
	}
	n = min(n, s.stream, s.conn)
	s.stream -= n
	s.conn -= n
	return n
}

func TestBodiesThatNobodyReadsEndAtTheWindow(t *testing.T) {
	r := newRig(t)
	stop := make(chan struct{})
	r.serve = func(x *filter.Exchange) {
		<-stop
		x.ReplyText(200, "", "ok")
		write(x)
	}
	c := r.dial()
	c.headers(1, false, post("/")...)
	for range streamWindow / 16384 {
		c.fr.WriteData(1, false, make([]byte, 16384))
	}
	c.fr.WriteData(1, false, []byte("x"))
	if got := c.response(1).String(); got != "RST FLOW_CONTROL_ERROR" {
		t.Errorf("got %s", got)
	}
	close(stop)
	c.alive(3)
}

func TestAnAnswerBeforeTheEndOfTheBodyStopsTheClient(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		x.ReplyText(200, "", "early")
		write(x)
	}
	c := r.dial()
	c.headers(1, false, post("/")...)
	a := c.response(1)
	c.until(func() bool { return a.reset })
	if a.String() != "200 RST NO_ERROR" || string(a.body) != "early" {
		t.Errorf("%s %q", a, a.body)
	}
	for range 20 { // sent before the client knew
		c.fr.WriteData(1, false, make([]byte, 16384))
	}
	c.headers(1, true, "x-trailer", "1")
	c.alive(3)
}

func TestTrailersAndInterimResponses(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		hints := &wire.Response{Status: 103}
		hints.Fields.Add("Link", "</a>")
		x.Stream.Informational(hints)
		io.ReadAll(x.Stream)
		x.Response.Status, x.Response.Length = 200, wire.Unknown
		x.Response.Fields.Add("Connection", "close")
		x.Response.Fields.Add("X-Evil", "a\r\nb")
		x.Response.Fields.Add("Content-Length", "77")
		x.Stream.WriteHead(&x.Response)
		x.Stream.Write([]byte("body"))
		var trailers wire.Fields
		trailers.Add("X-Sum", "12")
		x.Stream.Finish(&trailers)
	}
	c := r.dial(xhttp2.Setting{ID: xhttp2.SettingHeaderTableSize, Val: 0})
	c.dec.SetMaxDynamicTableSize(0)
	c.headers(1, false, post("/", "expect", "100-continue")...)
	a := c.at(1)
	c.until(func() bool { return len(a.interim) == 2 })
	c.fr.WriteData(1, true, []byte("x"))
	c.response(1)
	if strings.Join(a.interim, " ") != "103 100" || a.status != "200" || string(a.body) != "body" {
		t.Errorf("%v %s %q", a.interim, a.status, a.body)
	}
	if len(a.trailers) != 1 || a.trailers[0].Name != "x-sum" || a.trailers[0].Value != "12" {
		t.Errorf("trailers %v", a.trailers)
	}
	if a.get("connection") != "" || a.get("content-length") != "" || a.get("x-evil") != "a  b" || a.get("date") == "" {
		t.Errorf("fields %v", a.fields)
	}
}

func TestResponsesWithoutABody(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		switch x.Request.Path {
		case "/204":
			x.Response.Status = 204
		case "/304":
			x.Response.Status, x.Response.Length, x.Response.HasLength = 304, 9, true
		default:
			x.Response.Status, x.Response.Length, x.Response.HasLength = 200, 5, true
		}
		x.Stream.WriteHead(&x.Response)
		if x.Response.Status == 200 {
			x.Stream.Write([]byte("hello"))
		}
		x.Stream.Finish(nil)
	}
	c := r.dial()
	for i, tt := range []struct{ method, path, want, length, body string }{
		{"GET", "/204", "204", "", ""}, {"GET", "/304", "304", "9", ""}, {"HEAD", "/", "200", "5", ""}, {"GET", "/", "200", "5", "hello"},
	} {
		id := uint32(2*i + 1)
		c.headers(id, true, ":method", tt.method, ":scheme", "http", ":authority", "a.test", ":path", tt.path)
		a := c.response(id)
		if a.String() != tt.want || a.get("content-length") != tt.length || string(a.body) != tt.body {
			t.Errorf("%s %s: %s %v %q", tt.method, tt.path, a, a.fields, a.body)
		}
	}
}

func TestResponsesOfTheWrongLengthAreReset(t *testing.T) {
	r := newRig(t)
	r.serve = func(x *filter.Exchange) {
		x.Response.Status, x.Response.Length = 200, 5
		x.Stream.WriteHead(&x.Response)
		x.Stream.Flush()
		if x.Request.Path == "/long" {
			x.Stream.Write([]byte("hello!"))
		}
		if x.Stream.Finish(nil) == nil {
			t.Error("Finish: no error")
		}
	}
	c := r.dial()
	for id, path := range map[uint32]string{1: "/short", 3: "/long"} {
		if id == 3 {
			continue
		}
		c.headers(id, true, get(path)...)
		if got := c.response(id).String(); got != "200 RST INTERNAL_ERROR" {
			t.Errorf("%s: %s", path, got)
		}
	}
	c.headers(3, true, get("/long")...)
	if got := c.response(3).String(); got != "200 RST INTERNAL_ERROR" {
		t.Errorf("long: %s", got)
	}
}

func TestAResetWakesReadersAndWriters(t *testing.T) {
	r := newRig(t)
	ends := make(chan error, 2)
	begun := make(chan struct{}, 2)
	r.serve = func(x *filter.Exchange) {
		begun <- struct{}{}
		if x.Request.Method == "POST" {
			_, err := io.ReadAll(x.Stream)
			ends <- err
			x.Stream.Abort()
			return
		}
		ends <- endless(x, 1<<30)
	}
	c := r.dial()
	c.headers(1, false, post("/")...)
	c.headers(3, true, get("/")...)
	<-begun
	<-begun
	c.fr.WriteRSTStream(1, xhttp2.ErrCodeCancel)
	c.fr.WriteRSTStream(3, xhttp2.ErrCodeCancel)
	for range 2 {
		select {
		case err := <-ends:
			var bad *wire.BodyError
			if !errors.Is(err, errReset) && !errors.As(err, &bad) {
				t.Errorf("ended with %v", err)
			}
		case <-time.After(patience):
			t.Fatal("a handler still waits")
		}
	}
	r.serve = nil
	c.alive(5)
}

func TestHandlersThatFailAreTold(t *testing.T) {
	r := newRig(t)
	panics := make(chan any, 1)
	r.srv.Panicked = func(_ *filter.Exchange, v any) { panics <- v }
	r.serve = func(x *filter.Exchange) {
		switch x.Request.Path {
		case "/panic":
			panic("oh")
		case "/half":
			x.Response.Status, x.Response.Length = 200, wire.Unknown
			x.Stream.WriteHead(&x.Response)
			x.Stream.Flush()
		}
	}
	c := r.dial()
	for i, want := range []string{"500", "200 RST INTERNAL_ERROR", "500"} {
		id := uint32(2*i + 1)
		c.headers(id, true, get([]string{"/panic", "/half", "/nothing"}[i])...)
		if got := c.response(id).String(); got != want {
			t.Errorf("%d: got %s, want %s", i, got, want)
		}
	}
	if v := <-panics; v != "oh" {
		t.Errorf("panic %v", v)
	}
	await(t, "the connection idles", func() bool { return r.watch.idle.Load() == r.watch.active.Load()+1 })
}
