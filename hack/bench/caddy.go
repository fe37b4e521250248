package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
)

// caddyModule is where Caddy's module lies, seen from the root of the repository.
const caddyModule = "hack/bench/caddy"

// caddyPeer returns Caddy as a peer. It is built on the first use, which takes minutes, into the user's cache.
func caddyPeer() peer {
	cache, err := os.UserCacheDir()
	if err != nil {
		return peer{name: "caddy", absent: err.Error()}
	}
	binary := filepath.Join(cache, "yett-bench", "caddy")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = caddyModule
	if out, err := build.CombinedOutput(); err != nil {
		return peer{name: "caddy", absent: "does not build: " + firstLine(string(out))}
	}
	return peer{name: "caddy", program: binary, start: func(b *bench, s setup, dir string) (*running, error) { return startCaddy(b, binary, s, dir) }}
}

// object is a JSON object.
type object = map[string]any

// startCaddy starts Caddy. It has nothing like regular expressions for host names next to exact ones, canaries or rate limits in its
// standard modules, and its access log is another thing altogether; so it has only the simple setups.
func startCaddy(b *bench, binary string, s setup, dir string) (*running, error) {
	if s != (setup{HTTP2: s.HTTP2, GRPC: s.GRPC, Cores: s.Cores}) {
		return nil, errNoSetup
	}
	plain, secure, err := b.addresses()
	if err != nil {
		return nil, err
	}
	backend, versions := b.backend, []string{"1.1"}
	if s.GRPC {
		backend, versions = b.grpc, []string{"h2c", "2"}
	}
	set := object{}
	for name, value := range map[string]string{
		"X-Real-Ip": "{http.request.remote.host}", "X-Request-Id": "{http.request.uuid}", "X-Scheme": "{http.request.scheme}",
		"X-Forwarded-Port": "{http.request.local.port}", "X-Forwarded-Scheme": "{http.request.scheme}",
	} {
		set[name] = []string{value}
	}
	routes := []object{{"handle": []object{{
		"handler": "reverse_proxy", "upstreams": []object{{"dial": backend}},
		"headers": object{"request": object{"set": set}},
		"transport": object{
			"protocol": "http", "versions": versions, "compression": false, "keep_alive": object{"max_idle_conns_per_host": 320},
		},
	}}}}
	server := func(address string, more object) object {
		m := object{"listen": []string{address}, "automatic_https": object{"disable": true}, "routes": routes, "protocols": []string{"h1", "h2"}}
		for key, value := range more {
			m[key] = value
		}
		return m
	}
	config, err := json.Marshal(object{
		"admin":   object{"disabled": true, "config": object{"persist": false}},
		"logging": object{"logs": object{"default": object{"level": "ERROR"}}},
		"apps": object{
			"http": object{"servers": object{"plain": server(plain, nil), "secure": server(secure, object{"tls_connection_policies": []object{{}}})}},
			"tls":  object{"certificates": object{"load_files": []object{{"certificate": b.certificate, "key": b.key}}}},
		},
	})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "caddy.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return nil, err
	}
	p, err := spawn(b.core(s), nil, []string{maxProcs(s.workers()), "HOME=" + dir, "XDG_DATA_HOME=" + dir}, binary, file)
	return b.started(p, err, plain, secure)
}
