package rollout

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// stream is a connection that stays open: an upgraded one that is spoken on every tenth of a second, or a slow
// download.
type stream struct {
	upgraded bool
	err      error // why it ended
	ended    chan time.Time
}

// open opens one and fails the test if it does not begin.
func open(t *testing.T, address, host string, upgraded bool) *stream {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	head := "GET /slow HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	if upgraded {
		head = "GET /echo HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	}
	if _, err := io.WriteString(c, head); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{upgraded: upgraded, ended: make(chan time.Time, 1)}
	if upgraded != (resp.StatusCode == http.StatusSwitchingProtocols) {
		t.Fatalf("stream begins with %s", resp.Status)
	}
	go func() {
		s.err = s.follow(c, r, resp.Body)
		s.ended <- time.Now()
	}()
	return s
}

// follow reads, and speaks, until the stream ends.
func (s *stream) follow(c net.Conn, r io.Reader, body io.Reader) error {
	if !s.upgraded {
		_, err := io.Copy(io.Discard, body)
		return err
	}
	for b := []byte{'x'}; ; time.Sleep(100 * time.Millisecond) {
		if _, err := c.Write(b); err != nil {
			return err
		}
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
	}
}

// wait returns when it ended, or the limit.
func (s *stream) wait(t *testing.T, limit time.Time) time.Time {
	t.Helper()
	select {
	case at := <-s.ended:
		return at
	case <-time.After(time.Until(limit)):
		return limit
	}
}
