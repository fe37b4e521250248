package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// nginx is Debian's, one worker, connections kept on both sides, no body on disk.
func startNginx(b *bench, s setup, dir string) (*running, error) {
	plain, secure, err := b.addresses()
	if err != nil {
		return nil, err
	}
	var conf strings.Builder
	log := "access_log off;"
	if s.Log {
		log = "access_log " + filepath.Join(dir, "access.log") + " combined;"
	}
	fmt.Fprintf(&conf, `daemon off; worker_processes %[7]d; worker_rlimit_nofile 20000; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 19000; accept_mutex off; }
http {
	%[2]s
	server_tokens off; sendfile on; tcp_nodelay on;
	keepalive_timeout 75s; keepalive_requests 100000000;
	proxy_buffers 8 64k; proxy_buffer_size 16k; proxy_busy_buffers_size 128k; proxy_max_temp_file_size 0; client_body_buffer_size 64k; client_max_body_size 0;
	client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
	ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:ssl:10m; ssl_certificate %[3]s; ssl_certificate_key %[4]s;
	server_names_hash_max_size 65536; server_names_hash_bucket_size 128;
	upstream backend { server %[5]s; keepalive 320; keepalive_requests 100000000; }
	upstream canary { server %[5]s; keepalive 320; keepalive_requests 100000000; }
	upstream grpc { server %[6]s; keepalive 320; keepalive_requests 100000000; }
	http2_max_concurrent_streams 128;
	map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
	split_clients $request_id $chosen { 20%% canary; * backend; }
	limit_req_zone $binary_remote_addr zone=rate:5m rate=100000r/s;
	proxy_http_version 1.1;
	proxy_set_header Host $http_host;
	proxy_set_header X-Request-ID $request_id;
	proxy_set_header X-Real-IP $remote_addr;
	proxy_set_header X-Forwarded-For $remote_addr;
	proxy_set_header X-Forwarded-Host $http_host;
	proxy_set_header X-Forwarded-Port $server_port;
	proxy_set_header X-Forwarded-Proto $scheme;
	proxy_set_header X-Forwarded-Scheme $scheme;
	proxy_set_header X-Scheme $scheme;
	proxy_set_header Upgrade $http_upgrade;
	proxy_set_header Connection $connection_upgrade;
`, dir, log, b.certificate, b.key, b.backend, b.grpc, s.workers())
	location := "location / { proxy_pass http://backend; }"
	if s.GRPC {
		location = "location / { grpc_pass grpc://grpc; grpc_set_header X-Request-ID $request_id; grpc_set_header X-Real-IP $remote_addr; " +
			"grpc_set_header X-Forwarded-For $remote_addr; grpc_set_header X-Forwarded-Host $http_host; grpc_set_header X-Forwarded-Port $server_port; " +
			"grpc_set_header X-Forwarded-Proto $scheme; grpc_set_header X-Forwarded-Scheme $scheme; grpc_set_header X-Scheme $scheme; " +
			"grpc_read_timeout 1h; grpc_send_timeout 1h; }"
	}
	if s.Filters {
		location = fmt.Sprintf(`location / {
			allow 127.0.0.0/8; allow 10.0.0.0/8; deny all;
			auth_basic "bench"; auth_basic_user_file %s; limit_req zone=rate burst=500000 nodelay;
			proxy_pass http://$chosen;
		}`, b.htpasswd)
	}
	listen := fmt.Sprintf("listen %s; listen %s ssl;", plain, secure)
	if s.HTTP2 {
		listen = fmt.Sprintf("listen %s; listen %s ssl http2;", plain, secure)
	}
	fmt.Fprintf(&conf, "\tserver { %s server_name %s; %s }\n", listen, host, location)
	if s.Routes {
		for i := range routes - 1 {
			fmt.Fprintf(&conf, "\tserver { %s server_name %s; %s }\n", listen, routeHost(i), location)
		}
		fmt.Fprintf(&conf, "\tserver { %s server_name ~%s; %s }\n", listen, regexHost, location)
	}
	conf.WriteString("}\n")
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf.String()), 0o600); err != nil {
		return nil, err
	}
	p, err := spawn(b.core(s), nil, nil, "nginx", "-p", dir, "-c", file, "-e", filepath.Join(dir, "error.log"))
	return b.started(p, err, plain, secure)
}
