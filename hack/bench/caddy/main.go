// Command caddy is Caddy with what the benchmark needs of it: HTTP servers, TLS and the reverse proxy. It is a module of
// its own, so that Caddy's dependencies are none of Yett's.
package main

import (
	"fmt"
	"os"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/caddytls"
)

// main runs Caddy with the JSON configuration in the file that the first argument names; "version" prints its version.
func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: caddy FILE|version")
		os.Exit(2)
	}
	if os.Args[1] == "version" {
		_, full := caddy.Version()
		fmt.Println("caddy", full)
		return
	}
	config, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = caddy.Load(config, true)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "caddy:", err)
		os.Exit(1)
	}
	select {}
}
