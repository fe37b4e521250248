package e2e

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
)

// TestCompatCompression is use-gzip and enable-brotli: what is compressed, for whom, and what is not.
func TestCompatCompression(t *testing.T) {
	s := newStage(t)
	page := strings.Repeat("hello, world. ", 1000)
	s.serve("web", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("ETag", `"v1"`)
		for name := range q {
			if name != "size" && name != "pause" && name != "status" {
				w.Header().Set(name, q.Get(name))
			}
		}
		switch {
		case q.Has("status"):
			w.WriteHeader(204)
			return
		case q.Has("size"):
			_, _ = io.WriteString(w, "short")
			return
		case q.Has("pause"):
			_, _ = io.WriteString(w, "event: 1\n\n")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Length", "14000")
		if r.Method != "HEAD" {
			_, _ = io.WriteString(w, page)
		}
	}))
	s.add(ing{name: "web", host: "web.test", paths: []string{"/ Prefix web"}}.String())
	s.edit("settings", configMap("use-gzip: true", "enable-brotli: true", "gzip-disable: ^Old"))
	s.start()
	for _, c := range []struct {
		what, target, coding string
		vary                 bool
		fields               []string
	}{
		{"gzip", "/", "gzip", true, []string{"Accept-Encoding: deflate, GZIP;q=0.5"}},
		{"brotli goes first", "/", "br", true, []string{"Accept-Encoding: gzip, br"}},
		{"nobody asked", "/", "", true, nil},
		{"weight 0 is no", "/", "gzip", true, []string{"Accept-Encoding: br;q=0.0, gzip"}},
		{"an old client", "/", "", true, []string{"Accept-Encoding: gzip", "User-Agent: Older/1"}},
		{"encoded already", "/?Content-Encoding=x", "x", false, []string{"Accept-Encoding: gzip"}},
		{"not to be transformed", "/?Cache-Control=public,+no-transform", "", false, []string{"Accept-Encoding: gzip"}},
		{"another type", "/?Content-Type=image/png", "", false, []string{"Accept-Encoding: gzip"}},
		{"a type of the list", "/?Content-Type=Application/JSON", "gzip", true, []string{"Accept-Encoding: gzip"}},
		{"too short", "/?size=5", "", false, []string{"Accept-Encoding: gzip"}},
		{"no body", "/?status=204", "", false, []string{"Accept-Encoding: gzip"}},
	} {
		r := s.get("web.test", c.target, c.fields...)
		if got := r.Header.Get("Content-Encoding"); got != c.coding || (r.Header.Get("Vary") == "Accept-Encoding") != c.vary {
			t.Errorf("%s: Content-Encoding %q, Vary %q; want %q, %v", c.what, got, r.Header.Get("Vary"), c.coding, c.vary)
		}
		body := r.Body
		switch c.coding {
		case "gzip":
			z, err := gzip.NewReader(strings.NewReader(body))
			if err != nil {
				t.Errorf("%s: %v", c.what, err)
				continue
			}
			body = readAll(t, z)
		case "br":
			body = readAll(t, brotli.NewReader(strings.NewReader(body)))
		}
		if strings.HasPrefix(c.target, "/?s") {
			continue
		}
		if body != page {
			t.Errorf("%s: a body of %d bytes, want %d", c.what, len(body), len(page))
		}
		if tag := r.Header.Get("ETag"); strings.HasPrefix(tag, "W/") != (c.coding == "gzip" || c.coding == "br") {
			t.Errorf("%s: ETag %s", c.what, tag)
		}
	}
	if r := s.send("HEAD", "web.test", "/", "", "Accept-Encoding: gzip"); r.Header.Get("Content-Encoding") != "" || r.Header.Get("Content-Length") != "14000" {
		t.Errorf("HEAD: %v", r.Header)
	}
	t.Run("over HTTP/2", func(t *testing.T) {
		r, body := inClear(t, s.gate).send(t, "GET", "web.test", "/", nil, "Accept-Encoding", "gzip")
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			t.Fatalf("%v %v", r.Header, err)
		}
		if got := readAll(t, z); got != page || r.ContentLength != -1 {
			t.Errorf("a body of %d bytes, Content-Length %d", len(got), r.ContentLength)
		}
	})
	t.Run("an event is there before the next one", func(t *testing.T) {
		request, _ := http.NewRequest("GET", "http://"+s.gate.HTTP+"/?pause=1", nil)
		request.Host = "web.test"
		request.Header.Set("Accept-Encoding", "gzip")
		response, err := (&http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: 10 * time.Second}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		z, err := gzip.NewReader(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		event := make([]byte, 10)
		if _, err := io.ReadFull(z, event); err != nil || !bytes.HasPrefix(event, []byte("event: 1")) {
			t.Errorf("%q: %v", event, err)
		}
	})
}

// readAll reads all of a text.
func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Error(err)
	}
	return string(b)
}
