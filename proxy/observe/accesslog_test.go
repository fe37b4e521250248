package observe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink remembers what was written, and can be blocked or broken.
type sink struct {
	mu     sync.Mutex
	writes [][]byte
	err    error
	// gate holds up every Write as long as it is locked.
	gate sync.Mutex
}

func (s *sink) Write(p []byte) (int, error) {
	s.gate.Lock()
	defer s.gate.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	s.writes = append(s.writes, bytes.Clone(p))
	return len(p), nil
}

// lines returns all lines, and fails if any Write was not of whole lines.
func (s *sink) lines(t *testing.T) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, w := range s.writes {
		if len(w) == 0 || w[len(w)-1] != '\n' {
			t.Fatalf("a write that is not of whole lines: %q", w)
		}
		all = append(all, strings.Split(string(w[:len(w)-1]), "\n")...)
	}
	return all
}

func compile(t testing.TB, s ir.LogSettings) *LogFormat {
	t.Helper()
	f, err := CompileLog(s)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDefaultLine(t *testing.T) {
	var s sink
	l := NewAccessLog(&s, LogOptions{})
	x := newExchange()
	l.Log(x, compile(t, ir.LogSettings{}))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want := `203.0.113.5 - - [` + x.End.Local().Format("02/Jan/2006:15:04:05 -0700") + `] "GET /api/things?a=1 HTTP/1.1" 200 1000 ` +
		`"https://a.test/start" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36" ` +
		`310 0.012 [shop-cart-80] [] 10.1.0.2:8080 1000 0.011 200 0123456789abcdef0123456789abcdef`
	if got := s.lines(t); len(got) != 1 || got[0] != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

func TestALineDoesNotWaitForOthers(t *testing.T) {
	read, write := io.Pipe()
	l := NewAccessLog(write, LogOptions{Delay: 5 * time.Millisecond})
	f := compile(t, ir.LogSettings{Format: "$request_uri"})
	buf := make([]byte, 100)
	for range 3 {
		l.Log(newExchange(), f)
		n, err := read.Read(buf) // nothing else asks for it to be written
		if err != nil || string(buf[:n]) != "/api/things?a=1\n" {
			t.Fatalf("got %q, %v", buf[:n], err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNothingIsLostAndLinesStayWhole(t *testing.T) {
	var s sink
	l := NewAccessLog(&s, LogOptions{ShardBytes: 4 << 20, Delay: time.Millisecond})
	f := compile(t, ir.LogSettings{Format: "$connection $request_uri end"})
	var group sync.WaitGroup
	const loggers, each = 8, 2000
	for i := range loggers {
		group.Go(func() {
			x := newExchange()
			x.Conn = &filter.Conn{Serial: uint64(i)}
			for j := range each {
				x.Request.Target = fmt.Sprint("/", j)
				l.Log(x, f)
			}
		})
	}
	group.Go(func() {
		for range 20 {
			if err := l.Flush(); err != nil {
				t.Error(err)
			}
		}
	})
	group.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, line := range s.lines(t) {
		var i, j int
		if _, err := fmt.Sscanf(line, "%d /%d end", &i, &j); err != nil || seen[line] {
			t.Fatalf("line %q", line)
		}
		seen[line] = true
	}
	if len(seen) != loggers*each || l.Dropped() != 0 {
		t.Errorf("%d lines, %d dropped; want %d", len(seen), l.Dropped(), loggers*each)
	}
}

func TestABlockedSinkDropsLinesAndBlocksNobody(t *testing.T) {
	var s sink
	s.gate.Lock()
	l := NewAccessLog(&s, LogOptions{ShardBytes: 64 << 10, Shards: 2, Delay: time.Millisecond, CloseTimeout: 20 * time.Millisecond})
	f := compile(t, ir.LogSettings{})
	x := newExchange()
	const lines = 2000
	begin := time.Now()
	for range lines {
		l.Log(x, f)
	}
	if d := time.Since(begin); d > time.Second {
		t.Errorf("logging took %v while nobody reads", d)
	}
	if l.Dropped() == 0 {
		t.Errorf("nothing was dropped")
	}
	if err := l.Flush(); !errors.Is(err, ErrLogStuck) {
		t.Errorf("Flush: %v", err)
	}
	s.gate.Unlock()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := uint64(len(s.lines(t))) + l.Dropped(); got != lines {
		t.Errorf("%d lines written or dropped, want %d", got, lines)
	}
}

func TestCloseOfAStuckSinkComesBack(t *testing.T) {
	var s sink
	s.gate.Lock()
	l := NewAccessLog(&s, LogOptions{CloseTimeout: 10 * time.Millisecond})
	l.Log(newExchange(), compile(t, ir.LogSettings{}))
	if err := l.Close(); !errors.Is(err, ErrLogStuck) {
		t.Errorf("got %v", err)
	}
	s.gate.Unlock()
	if err := l.Close(); err != nil || len(s.lines(t)) != 1 {
		t.Errorf("then %v, %d lines", err, len(s.lines(t)))
	}
}

func TestAfterCloseLinesAreDropped(t *testing.T) {
	var s sink
	l := NewAccessLog(&s, LogOptions{})
	f := compile(t, ir.LogSettings{})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.Log(newExchange(), f)
	if err := l.Flush(); !errors.Is(err, ErrLogClosed) {
		t.Errorf("Flush: %v", err)
	}
	if err := l.Close(); err != nil || l.Dropped() != 1 || len(s.lines(t)) != 0 {
		t.Errorf("%v, %d dropped, %d lines", err, l.Dropped(), len(s.lines(t)))
	}
}

func TestABrokenSinkCountsAndRecovers(t *testing.T) {
	s := sink{err: io.ErrClosedPipe}
	l := NewAccessLog(&s, LogOptions{})
	f := compile(t, ir.LogSettings{})
	l.Log(newExchange(), f)
	l.Log(newExchange(), f)
	if err := l.Flush(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Flush: %v", err)
	}
	s.mu.Lock()
	s.err = nil
	s.mu.Unlock()
	l.Log(newExchange(), f)
	if err := l.Close(); err != nil || l.Dropped() != 2 || len(s.lines(t)) != 1 {
		t.Errorf("%v, %d dropped, %d lines", err, l.Dropped(), len(s.lines(t)))
	}
}

func TestALongLineIsCut(t *testing.T) {
	var s sink
	l := NewAccessLog(&s, LogOptions{})
	x := newExchange()
	x.Request.Target = "/" + strings.Repeat("\x00", 100<<10)
	l.Log(x, compile(t, ir.LogSettings{}))
	x.Request.Target = "/short"
	l.Log(x, compile(t, ir.LogSettings{Format: "$request_uri"}))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := s.lines(t)
	if len(got) != 2 || len(got[0]) != maxLine-1 || !strings.HasSuffix(got[0], `\x00 [cut]`) && !strings.HasSuffix(got[0], " [cut]") || got[1] != "/short" {
		t.Errorf("%d lines, the first of %d bytes ending in %.20q", len(got), len(got[0]), got[0][len(got[0])-20:])
	}
}

func TestNobodyWritesLinesOfTheirOwn(t *testing.T) {
	evil := "x\r\n127.0.0.1 - - forged\x00\"\\"
	x := newExchange()
	x.Request.Method, x.Request.Target, x.Request.Path, x.Request.Query, x.User = evil, evil, evil, "a="+evil, evil
	x.RequestID, x.ClientText, x.Request.Authority, x.Request.Host = evil, evil, evil, evil
	for i := range x.Request.Fields.All() {
		x.Request.Fields.At(i).Value = evil
	}
	for name, s := range map[string]ir.LogSettings{
		"default": {Format: DefaultLogFormat + "$uri$arg_a$host$http_host$http_referer"},
		"json":    {Format: `{"a": "$uri", "b": "$request", "c": "$http_user_agent$args$req_id", "d": $status}`, EscapeJSON: true},
	} {
		var out sink
		l := NewAccessLog(&out, LogOptions{})
		l.Log(x, compile(t, s))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		lines := out.lines(t)
		if len(lines) != 1 || strings.ContainsAny(lines[0], "\r\x00") {
			t.Errorf("%s: %q", name, lines)
		}
		if s.EscapeJSON && !json.Valid([]byte(lines[0])) {
			t.Errorf("not JSON: %s", lines[0])
		}
	}
}

func TestWhatIsNotLogged(t *testing.T) {
	skip := []string{"/healthz", "~^/static/.*\\.js$", "~*\\.PNG$", "/API/things?a=1"}
	for name, test := range map[string]struct {
		settings ir.LogSettings
		change   func(x *filter.Exchange)
		logged   bool
	}{
		"an ordinary request":                    {ir.LogSettings{}, func(x *filter.Exchange) {}, true},
		"disabled":                               {ir.LogSettings{Disabled: true}, func(x *filter.Exchange) {}, false},
		"a skipped text":                         {ir.LogSettings{SkipURLs: skip}, func(x *filter.Exchange) { x.Request.Target = "/healthz" }, false},
		"a skipped text in another case":         {ir.LogSettings{SkipURLs: skip}, func(x *filter.Exchange) {}, false},
		"a skipped text with a query":            {ir.LogSettings{SkipURLs: skip}, func(x *filter.Exchange) { x.Request.Target = "/healthz?x" }, true},
		"a skipped pattern":                      {ir.LogSettings{SkipURLs: skip}, func(x *filter.Exchange) { x.Request.Target = "/static/a.js" }, false},
		"a pattern in another case":              {ir.LogSettings{SkipURLs: skip}, func(x *filter.Exchange) { x.Request.Target = "/static/a.JS" }, true},
		"a pattern that ignores case":            {ir.LogSettings{SkipURLs: skip}, func(x *filter.Exchange) { x.Request.Target = "/a.png" }, false},
		"no route":                               {ir.LogSettings{}, func(x *filter.Exchange) { x.Route, x.Response.Status = nil, 404 }, false},
		"no route, asked for":                    {ir.LogSettings{DefaultBackend: true}, func(x *filter.Exchange) { x.Route, x.Response.Status = nil, 404 }, true},
		"the default backend":                    {ir.LogSettings{}, func(x *filter.Exchange) { x.Route.Ingress = "" }, false},
		"the default backend, asked for":         {ir.LogSettings{DefaultBackend: true}, func(x *filter.Exchange) { x.Route.Ingress = "" }, true},
		"a malformed request, that has no route": {ir.LogSettings{}, func(x *filter.Exchange) { x.Route, x.Response.Status = nil, 400 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			var s sink
			l := NewAccessLog(&s, LogOptions{})
			x := newExchange()
			test.change(x)
			l.Log(x, compile(t, test.settings))
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if got := len(s.lines(t)) == 1; got != test.logged {
				t.Errorf("logged: %v, want %v", got, test.logged)
			}
		})
	}
}

func TestCompileLogErrors(t *testing.T) {
	if _, err := CompileLog(ir.LogSettings{Format: "$stauts"}); err == nil || !strings.Contains(err.Error(), "$status") {
		t.Errorf("got %v", err)
	}
	if _, err := CompileLog(ir.LogSettings{SkipURLs: []string{"~("}}); err == nil || !strings.Contains(err.Error(), "~(") {
		t.Errorf("got %v", err)
	}
	var l *AccessLog
	l.Log(newExchange(), nil)
}

func TestLogDoesNotAllocate(t *testing.T) {
	l := NewAccessLog(io.Discard, LogOptions{})
	defer l.Close()
	f := compile(t, ir.LogSettings{SkipURLs: []string{"/no", "~^/neither"}})
	x := newExchange()
	for range 1000 { // until all buffers have grown
		l.Log(x, f)
		if err := l.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(1000, func() { l.Log(x, f) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLog(b *testing.B) {
	f := compile(b, ir.LogSettings{})
	run := func(name string, body func(b *testing.B, l *AccessLog)) {
		b.Run(name, func(b *testing.B) {
			l := NewAccessLog(io.Discard, LogOptions{})
			defer l.Close()
			b.ReportAllocs()
			body(b, l)
			b.ReportMetric(float64(l.Dropped())/float64(b.N), "dropped/op")
		})
	}
	// A thousand lines at once are what a core writes in ten milliseconds under load.
	log := func(l *AccessLog, x *filter.Exchange, i int) {
		l.Log(x, f)
		if i%1000 == 999 {
			if err := l.Flush(); err != nil {
				b.Error(err)
			}
		}
	}
	run("one core", func(b *testing.B, l *AccessLog) {
		x := newExchange()
		for i := 0; b.Loop(); i++ {
			log(l, x, i)
		}
	})
	run("all cores", func(b *testing.B, l *AccessLog) {
		b.RunParallel(func(pb *testing.PB) {
			x := newExchange()
			for i := 0; pb.Next(); i++ {
				log(l, x, i)
			}
		})
	})
}
