package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
)

// prepared returns the answers that the backend has ready, by path.
func prepared() map[string][]byte {
	m := map[string][]byte{}
	for path, size := range map[string]int{"/small": 12, "/post": 12, "/10k": 10 << 10, "/100k": 100 << 10, "/10m": 10 << 20} {
		head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n", size)
		m[path] = append([]byte(head), bytes.Repeat([]byte("y"), size)...)
	}
	return m
}

// runBackend serves fixed answers until the process ends.
func runBackend(l net.Listener) error {
	ready := prepared()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go serveBackend(c, ready)
	}
}

// serveBackend answers the requests of a connection.
func serveBackend(c net.Conn, ready map[string][]byte) {
	defer c.Close()
	buf := make([]byte, 0, 16<<10)
	for {
		end := bytes.Index(buf, []byte("\r\n\r\n"))
		if end < 0 {
			if len(buf) == cap(buf) {
				return
			}
			n, err := c.Read(buf[len(buf):cap(buf)])
			if err != nil {
				return
			}
			buf = buf[:len(buf)+n]
			continue
		}
		head := buf[:end+4]
		_, target, _ := bytes.Cut(head, []byte(" "))
		path, _, _ := bytes.Cut(target[:bytes.IndexByte(target, ' ')], []byte("?"))
		if string(path) == "/echo" {
			echo(c, buf[end+4:])
			return
		}
		answer := ready[string(path)]
		skip := bodyLength(head)
		rest := buf[len(head):]
		for skip > len(rest) {
			skip -= len(rest)
			n, err := c.Read(buf[:cap(buf)])
			if err != nil {
				return
			}
			rest = buf[:n]
		}
		buf = buf[:copy(buf, rest[skip:])]
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// bodyLength returns the Content-Length of a head.
func bodyLength(head []byte) int {
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && len(name) == 14 && bytes.EqualFold(name, []byte("content-length")) {
			n, _ := strconv.Atoi(string(bytes.TrimSpace(value)))
			return n
		}
	}
	return 0
}

// echo sends WebSocket frames of fewer than 126 bytes back. The bench compares proxies: it does not check the handshake's key.
func echo(c net.Conn, buf []byte) {
	if _, err := c.Write([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")); err != nil {
		return
	}
	in := append(make([]byte, 0, 4096), buf...)
	out := make([]byte, 0, 4096)
	for {
		out = out[:0]
		for len(in) >= 6 && len(in) >= 6+int(in[1]&0x7f) {
			n := int(in[1] & 0x7f)
			out = append(out, in[0], byte(n))
			for i, b := range in[6 : 6+n] {
				out = append(out, b^in[2+i%4])
			}
			in = in[:copy(in, in[6+n:])]
		}
		if len(out) > 0 {
			if _, err := c.Write(out); err != nil {
				return
			}
		}
		n, err := c.Read(in[len(in):cap(in)])
		if err != nil {
			return
		}
		in = in[:len(in)+n]
	}
}

// runReverseProxy serves with the standard library, forwarding to a backend: the peer that Go offers.
func runReverseProxy(plain, secure net.Listener, backend, protocol, certificate, key string) error {
	transport := &http.Transport{MaxIdleConnsPerHost: 320, DisableCompression: true}
	if protocol == "h2c" {
		transport.Protocols = new(http.Protocols)
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: backend})
			r.Out.Host = r.In.Host
			r.SetXForwarded()
			if ip, _, err := net.SplitHostPort(r.In.RemoteAddr); err == nil {
				r.Out.Header.Set("X-Real-Ip", ip)
			}
		},
		Transport: transport,
	}
	failed := make(chan error, 2)
	go func() { failed <- http.Serve(plain, proxy) }()
	go func() { failed <- http.ServeTLS(secure, proxy, certificate, key) }()
	return <-failed
}
