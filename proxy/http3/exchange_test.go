package http3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	engine "github.com/yettproxy/yett/proxy/http3"
	"github.com/yettproxy/yett/proxy/wire"
)

func TestRequestsAreTakenOver(t *testing.T) {
	r := newRig(t, echo, nil)
	for name, tt := range map[string]struct {
		method, target, body string
		unknown              bool
		want                 []string
	}{
		"GET":              {"GET", "/a%20b/../c?x=1", "", false, []string{"GET /a%20b/../c?x=1 path=/c query=x=1 host=a.test length=0 version=3.0 body=0", "host: a.test"}},
		"POST":             {"POST", "/p", "hello", false, []string{"length=5", "body=5", "content-length: 5"}},
		"unknown length":   {"POST", "/p", "hello", true, []string{"length=-1", "body=5"}},
		"DELETE, no body":  {"DELETE", "/d", "", false, []string{"length=0", "body=0"}},
		"an odd method":    {"PROPFIND", "/", "", false, []string{"PROPFIND / "}},
		"the same, unread": {"GET", "//x//y", "", false, []string{"GET //x//y path=/x/y "}},
	} {
		var body io.Reader
		if tt.body != "" {
			body = strings.NewReader(tt.body)
		}
		if tt.unknown {
			body = io.MultiReader(body)
		}
		resp, text := r.do(tt.method, tt.target, body)
		for _, want := range tt.want {
			if resp.StatusCode != 200 || !strings.Contains(strings.ToLower(text), strings.ToLower(want)) {
				t.Errorf("%s: %d\n%swithout %q", name, resp.StatusCode, text, want)
			}
		}
	}
	_, text := r.do("GET", "/", nil, "Cookie: a=1", "Cookie: b=2", "X-B: 2", "X-A: 1", "X-B: 1", "X_Real_IP: 1.2.3.4", "x_other: 1")
	for _, want := range []string{"cookie: a=1; b=2\n", "x-a: 1\nx-b: 2\nx-b: 1\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%swithout %q", text, want)
		}
	}
	if strings.Contains(strings.ToLower(text), "x_real_ip") || strings.Contains(strings.ToLower(text), "x_other") {
		t.Errorf("names with underscores pass:\n%s", text)
	}
}

func TestTrailersPassBothWays(t *testing.T) {
	r := newRig(t, func(x *filter.Exchange) {
		body, err := io.ReadAll(x.Stream)
		if err != nil || string(body) != "hello" {
			t.Errorf("body %q, %v", body, err)
		}
		var out wire.Fields
		for _, f := range x.Stream.Trailers().All() {
			out.Add("echo-"+f.Name, f.Value)
		}
		x.ReplyText(200, "text/plain", "done")
		x.Response.Length = wire.Unknown
		finish(x, &out)
	}, nil)
	req, _ := http.NewRequest("POST", "https://a.test/", io.MultiReader(strings.NewReader("hello")))
	req.Trailer = http.Header{"X-Sum": {"1"}, "X-More": {"2", "3"}}
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "done" {
		t.Errorf("%q, %v", text, err)
	}
	if got := resp.Trailer; got.Get("Echo-X-Sum") != "1" || strings.Join(got["Echo-X-More"], ",") != "2,3" {
		t.Errorf("trailers %v", got)
	}
}

func TestHeadsOfResponses(t *testing.T) {
	answer := make(chan wire.Response, 1)
	r := newRig(t, func(x *filter.Exchange) {
		a := <-answer
		x.Response = a
		if a.Length > 0 && x.Request.Method != "HEAD" && a.Status == 200 {
			x.Body = strings.Repeat("x", int(a.Length))
		}
		finish(x, nil)
	}, nil)
	fields := func(pairs ...string) (f wire.Fields) {
		for i := 0; i < len(pairs); i += 2 {
			f.Add(pairs[i], pairs[i+1])
		}
		return f
	}
	for name, tt := range map[string]struct {
		method string
		answer wire.Response
		length int64
		want   map[string]string
	}{
		"a length":              {"GET", wire.Response{Status: 200, Length: 3}, 3, map[string]string{"Content-Type": ""}},
		"none":                  {"GET", wire.Response{Status: 200, Length: wire.Unknown}, -1, nil},
		"HEAD with length":      {"HEAD", wire.Response{Status: 200, Length: 7}, 7, nil},
		"HEAD without":          {"HEAD", wire.Response{Status: 200, Length: wire.Unknown}, -1, nil},
		"204":                   {"GET", wire.Response{Status: 204}, 0, map[string]string{"Content-Length": ""}},
		"304 with length":       {"GET", wire.Response{Status: 304, Length: 9, HasLength: true}, 9, nil},
		"connection fields":     {"GET", wire.Response{Status: 200, Fields: fields("Connection", "x", "Keep-Alive", "1", "Transfer-Encoding", "chunked", "Upgrade", "h2", "Trailer", "X-T", "X-T", "1")}, 0, map[string]string{"Connection": "", "Keep-Alive": "", "Upgrade": "", "Trailer": "", "X-T": "1"}},
		"controls and repeats":  {"GET", wire.Response{Status: 200, Fields: fields("Set-Cookie", "a=1", "set-cookie", "b=2\r\nX: y")}, 0, map[string]string{"Set-Cookie": "a=1|b=2  X: y"}},
		"an odd status":         {"GET", wire.Response{Status: 799}, 0, nil},
		"a name that is none":   {"GET", wire.Response{Status: 200, Fields: fields("a b", "1", ":status", "500", "", "x")}, 0, map[string]string{"A b": ""}},
		"a type stays":          {"GET", wire.Response{Status: 200, Length: 3, Fields: fields("content-type", "a/b")}, 3, map[string]string{"Content-Type": "a/b"}},
		"a date is not doubled": {"GET", wire.Response{Status: 200, Fields: fields("date", "today")}, 0, map[string]string{"Date": "today"}},
	} {
		answer <- tt.answer
		resp, _ := r.do(tt.method, "/", nil)
		if resp.StatusCode != tt.answer.Status || resp.ContentLength != tt.length && !(tt.length == 0 && tt.answer.Status == 204) {
			t.Errorf("%s: status %d, length %d, want %d", name, resp.StatusCode, resp.ContentLength, tt.length)
		}
		for key, want := range tt.want {
			if got := strings.Join(resp.Header[key], "|"); got != want {
				t.Errorf("%s: %s is %q, want %q", name, key, got, want)
			}
		}
		if len(resp.Header["Date"]) != 1 {
			t.Errorf("%s: Date %q", name, resp.Header["Date"])
		}
	}
}

func TestLargeBodiesStreamBothWays(t *testing.T) {
	const size = 8 << 20
	r := newRig(t, func(x *filter.Exchange) {
		x.Response.Status, x.Response.Length = 200, wire.Unknown
		if x.Stream.WriteHead(&x.Response) != nil || x.Stream.Flush() != nil {
			return
		}
		if n, err := io.CopyBuffer(struct{ io.Writer }{x.Stream}, struct{ io.Reader }{x.Stream}, make([]byte, 32<<10)); err != nil || n != size {
			t.Errorf("copied %d, %v", n, err)
			x.Stream.Abort()
			return
		}
		if total, body := x.Stream.Written(); body != size || total < size || x.Stream.Received() != size {
			t.Errorf("written %d of body %d, received %d", total, body, x.Stream.Received())
		}
		_ = x.Stream.Finish(nil)
	}, nil)
	payload := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	resp, text := r.do("POST", "/", bytes.NewReader(payload))
	if resp.StatusCode != 200 || text != string(payload) {
		t.Errorf("%d with %d bytes", resp.StatusCode, len(text))
	}
	// Piece by piece: the answer to each is there before the next is sent.
	r = newRig(t, func(x *filter.Exchange) {
		x.Response.Status, x.Response.Length = 200, wire.Unknown
		if x.Stream.WriteHead(&x.Response) != nil || x.Stream.Flush() != nil {
			return
		}
		buf := make([]byte, 100)
		for {
			n, err := x.Stream.Read(buf)
			if err == io.EOF {
				_ = x.Stream.Finish(nil)
				return
			}
			if err != nil {
				t.Error(err)
				x.Stream.Abort()
				return
			}
			if _, err := x.Stream.Write(bytes.ToUpper(buf[:n])); err != nil || x.Stream.Flush() != nil {
				return
			}
		}
	}, nil)
	pr, pw := io.Pipe()
	req, _ := http.NewRequest("POST", "https://a.test/", pr)
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for _, piece := range []string{"ab", "cd", "ef"} {
		if _, err := io.WriteString(pw, piece); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 2)
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != strings.ToUpper(piece) {
			t.Fatalf("%q, %v", got, err)
		}
	}
	pw.Close()
	if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) > 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestInterimResponses(t *testing.T) {
	r := newRig(t, func(x *filter.Exchange) {
		var hints wire.Response
		hints.Status = 103
		hints.Fields.Add("Link", "</a.css>")
		if err := x.Stream.Informational(&hints); err != nil {
			t.Error(err)
		}
		echo(x)
	}, nil)
	resp, text := r.do("POST", "/", strings.NewReader("hello"), "Expect: 100-continue")
	if resp.StatusCode != 200 || !strings.Contains(text, "body=5") || resp.Header.Get("Link") != "" {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, text)
	}
}

func TestClientsThatGiveUpAreNoticed(t *testing.T) {
	gone := make(chan error, 1)
	r := newRig(t, func(x *filter.Exchange) {
		x.Response.Status, x.Response.Length = 200, wire.Unknown
		if x.Stream.WriteHead(&x.Response) != nil || x.Stream.Flush() != nil {
			return
		}
		for deadline := time.Now().Add(10 * time.Second); !x.Stream.(wire.Goner).Gone() && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		_, err := x.Stream.Write(make([]byte, 1<<20))
		gone <- err
		x.Stream.Abort()
	}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, "GET", "https://a.test/", nil)
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cancel()
	if err := <-gone; err == nil {
		t.Error("a write to a client that is gone succeeds")
	}
}

func TestAnswersThatFailAreReset(t *testing.T) {
	for name, h := range map[string]handler{
		"aborted": func(x *filter.Exchange) { begin(x, 10); _, _ = io.WriteString(x.Stream, "abc"); x.Stream.Abort() },
		"cut short": func(x *filter.Exchange) {
			begin(x, 10)
			_, _ = io.WriteString(x.Stream, "abc")
			_ = x.Stream.Finish(nil)
		},
		"too long": func(x *filter.Exchange) {
			begin(x, 2)
			_, _ = io.WriteString(x.Stream, "abc")
			_ = x.Stream.Finish(nil)
		},
		"never finished": func(x *filter.Exchange) { begin(x, wire.Unknown); _, _ = io.WriteString(x.Stream, "abc") },
	} {
		r := newRig(t, h, nil)
		resp, err := r.client.Get("https://a.test/")
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: the client takes the answer for complete", name)
		}
	}
	panicked := make(chan any, 2)
	r := newRig(t, func(x *filter.Exchange) {
		if x.Request.Path == "/late" {
			begin(x, 10)
			_ = x.Stream.Flush()
		}
		panic("boom")
	}, func(o *engine.Options) { o.Panicked = func(_ *filter.Exchange, v any) { panicked <- v } })
	if resp, _ := r.do("GET", "/", nil); resp.StatusCode != 500 || <-panicked != "boom" {
		t.Errorf("a panic is answered with %d", resp.StatusCode)
	}
	resp, err := r.client.Get("https://a.test/late")
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil || <-panicked != "boom" {
		t.Error("a late panic looks like a complete answer")
	}
}

// begin writes a head.
func begin(x *filter.Exchange, length int64) {
	x.Response.Status, x.Response.Length = 200, length
	_ = x.Stream.WriteHead(&x.Response)
}

func TestBodiesCanBeLeftUnread(t *testing.T) {
	r := newRig(t, func(x *filter.Exchange) {
		if x.Request.Path == "/interrupt" {
			reading := make(chan error)
			go func() {
				_, err := io.Copy(io.Discard, struct{ io.Reader }{x.Stream})
				reading <- err
			}()
			time.Sleep(20 * time.Millisecond) // most likely it waits by now; if not, the test is only easier
			x.Stream.(wire.Interrupter).Interrupt()
			if err := <-reading; !errors.Is(err, wire.ErrInterrupted) {
				t.Errorf("interrupted read: %v", err)
			}
		}
		x.ReplyText(403, "text/plain", "no")
		finish(x, nil)
	}, nil)
	for _, path := range []string{"/", "/interrupt"} {
		pr, pw := io.Pipe()
		req, _ := http.NewRequest("POST", "https://a.test"+path, pr)
		resp, err := r.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 403 || string(text) != "no" {
			t.Errorf("%s: %d %q %v", path, resp.StatusCode, text, err)
		}
		resp.Body.Close()
		pw.Close()
	}
}

func TestSlowBodiesTimeOut(t *testing.T) {
	got := make(chan error, 1)
	limits := wire.DefaultLimits()
	limits.BodyTimeout = 50 * time.Millisecond
	r := newRig(t, func(x *filter.Exchange) {
		_, err := io.ReadAll(x.Stream)
		got <- err
		x.Reply(408)
		finish(x, nil)
	}, func(o *engine.Options) { o.Limits = func() *wire.Limits { return &limits } })
	pr, pw := io.Pipe()
	defer pw.Close()
	req, _ := http.NewRequest("POST", "https://a.test/", pr)
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	var bad *wire.BodyError
	if err := <-got; resp.StatusCode != 408 || !errors.As(err, &bad) || bad.Status != 408 {
		t.Errorf("%d, %v", resp.StatusCode, err)
	}
}

// TestDrainLosesNoRequest: what is under way is answered, idle connections are closed, and streams that come later are refused
// such that their client may try elsewhere.
func TestDrainLosesNoRequest(t *testing.T) {
	begun, goOn := make(chan bool, 8), make(chan bool)
	r := newRig(t, func(x *filter.Exchange) {
		if x.Request.Path == "/slow" {
			begun <- true
			<-goOn
		}
		echo(x)
	}, nil)
	idle := r.newClient()
	if resp, err := idle.Get("https://a.test/"); err != nil || resp.Body.Close() != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			if resp, text := r.do("GET", "/slow", nil); resp.StatusCode != 200 || !strings.Contains(text, "/slow") {
				t.Errorf("%d %s", resp.StatusCode, text)
			}
		})
	}
	for range 4 {
		<-begun
	}
	if st := r.server.Stats(); st.Active != 2 || st.Writing != 1 || st.Requests != 5 {
		t.Errorf("%+v", st)
	}
	ended := make(chan error, 1)
	start := time.Now()
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		ended <- r.server.Drain(ctx, 50*time.Millisecond)
	}()
	for r.server.Stats().Active > 1 && time.Since(start) < 10*time.Second {
		time.Sleep(10 * time.Millisecond)
	}
	close(goOn)
	group.Wait()
	if err := <-ended; err != nil || time.Since(start) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	if _, err := r.newClient().Get("https://a.test/"); err == nil {
		t.Error("a new connection is served after the end")
	}
}

func TestDrainCutsWhatIsLeft(t *testing.T) {
	begun := make(chan bool, 1)
	r := newRig(t, func(x *filter.Exchange) {
		begun <- true
		for !x.Stream.(wire.Goner).Gone() {
			time.Sleep(time.Millisecond)
		}
		x.Stream.Abort()
	}, nil)
	failed := make(chan error, 1)
	go func() { _, err := r.client.Get("https://a.test/"); failed <- err }()
	<-begun
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := r.server.Drain(ctx, 0); err == nil {
		t.Error("nobody says that a request was cut")
	}
	if err := <-failed; err == nil {
		t.Error("the request got an answer")
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	r := newRig(t, echo, func(o *engine.Options) { o.MaxConnections = 1 })
	if resp, _ := r.do("GET", "/", nil); resp.StatusCode != 200 {
		t.Fatal(resp.StatusCode)
	}
	if _, err := r.newClient().Get("https://a.test/"); err == nil {
		t.Error("a second connection is served")
	}
}

func TestCloseAfterEndsTheConnection(t *testing.T) {
	r := newRig(t, func(x *filter.Exchange) { x.CloseAfter = true; echo(x) }, nil)
	if resp, _ := r.do("GET", "/", nil); resp.StatusCode != 200 {
		t.Fatal(resp.StatusCode)
	}
	for end := time.Now().Add(10 * time.Second); r.server.Stats().Active > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is still open")
		}
	}
}

func BenchmarkGet(b *testing.B) {
	r := newRig(b, func(x *filter.Exchange) { x.ReplyText(200, "text/plain", "hello"); finish(x, nil) }, nil)
	b.ReportAllocs()
	for b.Loop() {
		if resp, _ := r.do("GET", "/", nil); resp.StatusCode != 200 {
			b.Fatal(resp.StatusCode)
		}
	}
}
