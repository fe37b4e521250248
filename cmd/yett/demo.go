package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/yettproxy/yett/proxy/certs"
)

// demoManifests are the example manifests. PORT_A, PORT_B and PORT_C stand for the ports of the backends, TLS_CERT and
// TLS_KEY for a certificate made for the occasion.
//
//go:embed demo.yaml
var demoManifests string

// newDemo returns `yett demo`.
func newDemo() *cobra.Command {
	o := &options{}
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Start echo backends on loopback, serve example manifests, print curl lines",
		Long: "Starts three small HTTP backends on loopback, writes example manifests into a folder, serves them\n" +
			"as `yett serve` would, and prints curl lines to try. Edit the files while it runs: a change is live at once.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), cmd, o, dir)
		},
	}
	o.addServing(cmd.Flags())
	for name, value := range map[string]string{
		"bind-address": "127.0.0.1", "http-port": "8080", "https-port": "8443", "healthz-host": "127.0.0.1",
		"watch-ingress-without-class": "true",
	} {
		f := cmd.Flags().Lookup(name)
		f.DefValue = value
		if err := f.Value.Set(value); err != nil {
			panic("demo: default of --" + name + ": " + err.Error())
		}
	}
	cmd.Flags().StringVar(&dir, "dir", "", "folder for the manifests; a temporary one by default")
	return cmd
}

// runDemo runs backends and gate until the context ends.
func runDemo(ctx context.Context, cmd *cobra.Command, o *options, dir string) error {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "yett-demo-")
		if err != nil {
			return fmt.Errorf("make folder for manifests: %w", err)
		}
		defer os.RemoveAll(tmp)
		dir = tmp
	}
	for _, port := range []struct {
		name  string
		value *int
	}{{"http-port", &o.httpPort}, {"https-port", &o.httpsPort}, {"healthz-port", &o.healthPort}} {
		if !cmd.Flags().Changed(port.name) && !portFree(*port.value) {
			*port.value = 0
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	text := demoManifests
	for _, name := range []string{"A", "B", "C"} {
		port, err := startEcho(ctx, group, "backend-"+strings.ToLower(name))
		if err != nil {
			return err
		}
		text = strings.ReplaceAll(text, "PORT_"+name, strconv.Itoa(port))
	}
	cert, key, err := certs.SelfSigned("secure.demo.test")
	if err != nil {
		return fmt.Errorf("make certificate: %w", err)
	}
	text = strings.ReplaceAll(text, "TLS_CERT", indent(cert, "    "))
	text = strings.ReplaceAll(text, "TLS_KEY", indent(key, "    "))
	file := filepath.Join(dir, "demo.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write manifests: %w", err)
	}
	group.Go(func() error {
		return runServe(ctx, cmd, o, []string{dir}, func(addr addresses) {
			printDemo(cmd.OutOrStdout(), file, addr)
		})
	})
	return group.Wait()
}

// indent puts a prefix before every line but the first.
func indent(text []byte, prefix string) string {
	return strings.ReplaceAll(strings.TrimRight(string(text), "\n"), "\n", "\n"+prefix)
}

// portFree reports whether a port of loopback can be bound.
func portFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// startEcho starts a backend that tells who it is and what it was asked, and returns its port.
func startEcho(ctx context.Context, group *errgroup.Group, name string) (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", name, err)
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: echo(name)}
	group.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve %s: %w", name, err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	return l.Addr().(*net.TCPAddr).Port, nil
}

// echo answers with the backend's name and the request as it arrived.
func echo(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprintf(w, "%s\n%s %s\nHost: %s\n", name, r.Method, r.URL.RequestURI(), r.Host)
		for _, field := range []string{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Request-Id", "Authorization"} {
			if v := r.Header.Get(field); v != "" {
				fmt.Fprintf(w, "%s: %s\n", field, v)
			}
		}
		_, _ = io.Copy(w, io.LimitReader(r.Body, 1<<20))
	})
}

// addresses are where the gate listens.
type addresses struct {
	http, https, health string
}

// printDemo prints lines to paste.
func printDemo(w io.Writer, file string, a addresses) {
	_, httpsPort, _ := net.SplitHostPort(a.https)
	lines := []struct{ what, line string }{
		{"host and path routing: backend-a, then backend-b", "curl -s -H 'Host: shop.demo.test' http://" + a.http + "/; curl -s -H 'Host: shop.demo.test' http://" + a.http + "/cart"},
		{"a name nobody has: 404", "curl -si -H 'Host: nobody.demo.test' http://" + a.http + "/ | head -1"},
		{"TLS, with the certificate of the host's Secret", "curl -sk --resolve secure.demo.test:" + httpsPort + ":127.0.0.1 https://secure.demo.test:" + httpsPort + "/"},
		{"http is sent to https: 308", "curl -si -H 'Host: secure.demo.test' http://" + a.http + "/ | head -5"},
		{"canary by weight: about 20 of 100 answers from backend-c", "for i in $(seq 100); do curl -s -H 'Host: canary.demo.test' http://" + a.http + "/ | head -1; done | sort | uniq -c"},
		{"canary by header: always backend-c, never backend-c", "curl -s -H 'Host: canary.demo.test' -H 'X-Canary: always' http://" + a.http + "/; curl -s -H 'Host: canary.demo.test' -H 'X-Canary: never' http://" + a.http + "/"},
		{"canary by cookie: backend-c", "curl -s -H 'Host: canary.demo.test' -b canary=always http://" + a.http + "/"},
		{"basic auth: 401, then backend-a", "curl -si -H 'Host: private.demo.test' http://" + a.http + "/ | head -3; curl -s -u alice:gatekeeper -H 'Host: private.demo.test' http://" + a.http + "/"},
		{"rate limit: 1 a second and a burst of 5, the rest 503", "for i in $(seq 12); do curl -s -o /dev/null -w '%{http_code}\\n' -H 'Host: slow.demo.test' http://" + a.http + "/; done | sort | uniq -c"},
		{"rewrite: the backend sees /v1/users?q=1", "curl -s -H 'Host: api.demo.test' 'http://" + a.http + "/api/users?q=1'"},
		{"metrics", "curl -s http://" + a.health + "/metrics | grep ^nginx_ingress_controller_requests"},
	}
	fmt.Fprintf(w, "\nThe gate is open. Manifests: %s (edit it, a change is live at once). Ctrl-C ends it.\n", file)
	for _, l := range lines {
		fmt.Fprintf(w, "\n# %s\n%s\n", l.what, l.line)
	}
	fmt.Fprintln(w)
}
