package e2e

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/h2raw"
)

// The types of what is in a record of TLS (RFC 8446 section 5.1).
const (
	tlsHandshake   = 22
	tlsApplication = 23
)

// sealer is the sending side of TLS 1.3 after a handshake that crypto/tls has made: it sends records that crypto/tls would not.
type sealer struct {
	net.Conn
	secret, iv []byte
	aead       cipher.AEAD
	seq        uint64
}

// dialSealer connects and makes the handshake. What is read through the tls.Conn is decrypted; nothing may be written there.
func dialSealer(t testing.TB, addr, protocol string) (*sealer, *tls.Conn) {
	t.Helper()
	nc, err := net.DialTimeout("tcp", addr, h2raw.Wait)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	var keys bytes.Buffer
	c := tls.Client(nc, &tls.Config{InsecureSkipVerify: true, ServerName: "a.test", NextProtos: []string{protocol}, MinVersion: tls.VersionTLS13, KeyLogWriter: &keys})
	_ = nc.SetDeadline(time.Now().Add(h2raw.Wait))
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	_ = nc.SetDeadline(time.Time{})
	if suite := c.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("%s was agreed on: this test only knows AES with 128 bits", tls.CipherSuiteName(suite))
	}
	_, after, _ := strings.Cut(keys.String(), "CLIENT_TRAFFIC_SECRET_0 ")
	line, _, _ := strings.Cut(after, "\n")
	_, text, _ := strings.Cut(line, " ")
	secret, err := hex.DecodeString(text)
	if err != nil || len(secret) != sha256.Size {
		t.Fatalf("secret %q: %v", text, err)
	}
	s := &sealer{Conn: nc}
	s.use(secret)
	return s, c
}

// expand is HKDF-Expand-Label (RFC 8446 section 7.1) without a context.
func expand(secret []byte, label string, n int) []byte {
	label = "tls13 " + label
	info := []byte{byte(n >> 8), byte(n), byte(len(label))}
	key, err := hkdf.Expand(sha256.New, secret, string(info)+label+"\x00", n)
	if err != nil {
		panic(err)
	}
	return key
}

// use takes a traffic secret (section 7.3).
func (s *sealer) use(secret []byte) {
	block, err := aes.NewCipher(expand(secret, "key", 16))
	if err != nil {
		panic(err)
	}
	s.aead, err = cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	s.secret, s.iv, s.seq = secret, expand(secret, "iv", 12), 0
}

// record appends a record (section 5.2).
func (s *sealer) record(b []byte, kind byte, content ...byte) []byte {
	inner := append(append(make([]byte, 0, len(content)+1), content...), kind)
	nonce := bytes.Clone(s.iv)
	for i := range 8 {
		nonce[11-i] ^= byte(s.seq >> (8 * i))
	}
	s.seq++
	n := len(inner) + s.aead.Overhead()
	header := []byte{tlsApplication, 3, 3, byte(n >> 8), byte(n)}
	return append(b, s.aead.Seal(header, nonce, inner, header)...)
}

// update appends a KeyUpdate (section 4.6.3), which may ask the other side for one, too.
func (s *sealer) update(b []byte, ask byte) []byte {
	b = s.record(b, tlsHandshake, 24, 0, 0, 1, ask)
	s.use(expand(s.secret, "traffic upd", sha256.Size))
	return b
}

// TestFloodsOfTLSRecords sends records that carry nothing, from four connections again and again. Each must be ended soon, whether it reads what comes back
// or not, and other clients must not notice.
func TestFloodsOfTLSRecords(t *testing.T) {
	x := newTarget(t)
	for _, protocol := range []string{"http/1.1", "h2"} {
		for name, piece := range map[string]func(s *sealer) []byte{
			"KeyUpdate":                    func(s *sealer) []byte { return s.update(nil, 0) },
			"KeyUpdate that asks for more": func(s *sealer) []byte { return s.update(nil, 1) },
			"empty records":                func(s *sealer) []byte { return s.record(nil, tlsApplication) },
		} {
			t.Run(protocol+" "+name, func(t *testing.T) {
				x.t = t
				r := x.under(func(stop <-chan struct{}, r *report) {
					var mu sync.Mutex
					var all sync.WaitGroup
					for range 4 {
						all.Go(func() {
							for stopped := false; !stopped; {
								n, end := floodRecords(t, x, protocol, piece)
								mu.Lock()
								r.sent, r.max = r.sent+n, max(r.max, n)
								r.ends[end]++
								mu.Unlock()
								select {
								case <-stop:
									stopped = true
								default:
								}
							}
						})
					}
					all.Wait()
				})
				if r.ends["closed"] == 0 || len(r.ends) > 1 || r.max > 200_000 {
					t.Errorf("connections ended %v, after at most %d records", r.ends, r.max)
				}
			})
		}
	}
}

// floodRecords sends records on one connection until it ends, and returns how many.
func floodRecords(t testing.TB, x *target, protocol string, piece func(s *sealer) []byte) (n int64, end string) {
	s, _ := dialSealer(t, x.gate.HTTPS, protocol)
	defer s.Close()
	ended := make(chan string, 1)
	go func() { // it waits, and reads nothing before the end is near
		<-time.After(50 * time.Millisecond)
		_ = s.SetReadDeadline(time.Now().Add(h2raw.Wait))
		if _, err := io.Copy(io.Discard, s.Conn); err != nil && strings.Contains(err.Error(), "timeout") {
			ended <- "open"
			return
		}
		ended <- "closed"
	}()
	for {
		select {
		case end := <-ended:
			return n, end
		default:
		}
		_ = s.SetWriteDeadline(time.Now().Add(h2raw.Wait))
		if _, err := s.Write(piece(s)); err != nil {
			return n, <-ended
		}
		n++
	}
}

// TestTLSRecordsOfOneByte asks for a page in records of one byte each, and in records with a KeyUpdate ahead of each: slow, but well-formed.
func TestTLSRecordsOfOneByte(t *testing.T) {
	x := newTarget(t)
	http2 := []byte(h2raw.Preface)
	http2 = h2raw.SettingsFrame().Append(http2)
	http2 = h2raw.HeadersFrame(1, true, h2raw.NewEncoder().Block(h2raw.Fields(lines("GET", "/probe", "user-agent: x")...)...)).Append(http2)
	for protocol, request := range map[string][]byte{
		"http/1.1": []byte("GET /probe HTTP/1.1\r\nHost: a.test\r\nUser-Agent: x\r\nConnection: close\r\n\r\n"), "h2": http2,
	} {
		for _, updates := range []byte{0, 1, 2} {
			t.Run(fmt.Sprintf("%s, %d updates ahead of each", protocol, updates), func(t *testing.T) {
				s, c := dialSealer(t, x.gate.HTTPS, protocol)
				for _, b := range request {
					var out []byte
					for range updates {
						out = s.update(out, 0)
					}
					if _, err := s.Write(s.record(out, tlsApplication, b)); err != nil {
						t.Fatal(err)
					}
				}
				_ = c.SetReadDeadline(time.Now().Add(h2raw.Wait))
				if got := firstStatus(c, protocol); got != "200" {
					t.Errorf("answered %s", got)
				}
			})
		}
	}
}

// firstStatus reads the status of a response on stream 1, or the only one.
func firstStatus(c io.Reader, protocol string) string {
	if protocol != "h2" {
		head := make([]byte, len("HTTP/1.1 200"))
		if _, err := io.ReadFull(c, head); err != nil {
			return err.Error()
		}
		return string(head[len("HTTP/1.1 "):])
	}
	for {
		f, err := h2raw.ReadFrame(c)
		switch {
		case err != nil:
			return err.Error()
		case f.Type == h2raw.GoAway || f.Type == h2raw.Reset:
			return fmt.Sprintf("frame %v", f)
		case f.Type == h2raw.Headers:
			fields, err := h2raw.NewDecoder().Decode(f.Payload)
			if err != nil || len(fields) == 0 {
				return fmt.Sprint(err)
			}
			return fields[0].Value
		}
	}
}
