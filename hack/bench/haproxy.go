package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// startHAProxy starts Debian's HAProxy, one thread, connections kept and shared on the side of the backend.
func startHAProxy(b *bench, s setup, dir string) (*running, error) {
	plain, secure, err := b.addresses()
	if err != nil {
		return nil, err
	}
	pem := filepath.Join(dir, "bench.pem")
	hosts := filepath.Join(dir, "hosts.map")
	if err := joinFiles(pem, b.certificate, b.key); err != nil {
		return nil, err
	}
	var log, filters, choose, names string
	protocols, server := "http/1.1", b.backend
	if s.HTTP2 {
		protocols = "h2,http/1.1"
	}
	if s.GRPC {
		server = b.grpc + " proto h2"
	}
	if s.Log {
		log = "log stdout format raw local0\n\toption httplog"
	}
	if s.Filters {
		filters = `http-request deny deny_status 403 unless { src 127.0.0.0/8 10.0.0.0/8 }
	http-request auth realm bench unless { http_auth(users) }
	stick-table type ip size 100k expire 30s store http_req_rate(1s)
	http-request track-sc0 src
	http-request deny deny_status 503 if { sc_http_req_rate(0) gt 500000 }`
		choose = "use_backend canary if { rand(100) lt 20 }"
	}
	if s.Routes {
		for i := range routes - 1 {
			names += routeHost(i) + " backend\n"
		}
		choose = fmt.Sprintf("use_backend %%[req.hdr(host),lower,map(%s)] if { req.hdr(host),lower,map(%s) -m found }\n\t"+
			"use_backend backend if { req.hdr(host) -m reg '%s' }\n\tuse_backend backend if { req.hdr(host) -i %s }\n\thttp-request deny deny_status 404 "+
			"unless { req.hdr(host),lower,map(%s) -m found } or { req.hdr(host) -m reg '%s' }", hosts, hosts, regexHost, host, hosts, regexHost)
	}
	conf := fmt.Sprintf(`global
	nbthread %d
	maxconn 19000
	no strict-limits
	ssl-default-bind-options ssl-min-ver TLSv1.2
userlist users
	user %s insecure-password %q
defaults
	mode http
	timeout connect 5s
	timeout client 75s
	timeout server 60s
	timeout tunnel 1h
	timeout http-keep-alive 75s
	option http-keep-alive
	http-reuse always
	%s
frontend web
	bind %s
	bind %s ssl crt %s alpn %s
	unique-id-format %%{+X}o\ %%ci:%%cp_%%fi:%%fp_%%Ts_%%rt:%%pid
	http-request del-header X-Forwarded-For
	http-request set-header X-Request-ID %%[unique-id]
	http-request set-header X-Real-IP %%[src]
	http-request set-header X-Forwarded-For %%[src]
	http-request set-header X-Forwarded-Host %%[req.hdr(host)]
	http-request set-header X-Forwarded-Port %%[dst_port]
	http-request set-header X-Forwarded-Proto %%[ssl_fc,iif(https,http)]
	http-request set-header X-Forwarded-Scheme %%[ssl_fc,iif(https,http)]
	http-request set-header X-Scheme %%[ssl_fc,iif(https,http)]
	%s
	%s
	default_backend backend
backend backend
	server one %s
backend canary
	server one %s
`, s.workers(), user, secret, log, plain, secure, pem, protocols, filters, choose, server, server)
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(hosts, []byte(names), 0o600); err != nil {
		return nil, err
	}
	out, err := os.Create(filepath.Join(dir, "access.log"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p, err := spawn(b.core(s), out, nil, "haproxy", "-db", "-f", file)
	return b.started(p, err, plain, secure)
}

// joinFiles writes several files into one.
func joinFiles(path string, parts ...string) error {
	var all strings.Builder
	for _, p := range parts {
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		all.Write(text)
	}
	return os.WriteFile(path, []byte(all.String()), 0o600)
}
