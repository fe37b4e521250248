package route

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/yettproxy/yett/proxy/ir"
)

// TestMatchAgreesWithNginx puts random tables, written down as ingress-nginx's template writes them, to a real
// nginx, so that the naive matcher is a fact and not an opinion.
func TestMatchAgreesWithNginx(t *testing.T) {
	binary, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("no nginx here to compare with")
	}
	const tables, requests = 60, 60
	dir := t.TempDir()
	serveRouteNames(t, filepath.Join(dir, "up.sock"))
	conf := new(bytes.Buffer)
	fmt.Fprintf(conf, "daemon off; master_process off; pid %[1]s/pid; error_log stderr crit;\nevents { worker_connections 512; }\nhttp { access_log off; server_names_hash_bucket_size 128;\ngeo $dollar { default \"$\"; }\n", dir)
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(conf, "%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	all := make([][]ir.VirtualHost, tables)
	for i := range all {
		all[i] = nginxHosts(rapid.Custom(drawHosts).Example(i))
		for _, h := range all[i] {
			writeServer(conf, dir, i, &h)
		}
	}
	conf.WriteString("}\n")
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, conf.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-p", dir, "-c", file)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for i, hosts := range all {
		table := compileHosts(t, hosts...)
		client := unixClient(t, filepath.Join(dir, fmt.Sprintf("in%d.sock", i)))
		for n := range requests {
			path := rapid.Custom(func(t *rapid.T) string { return drawRequest(t, hosts) }).Example(i*requests + n)
			name := rapid.SampledFrom(requested).Example(i*requests + n)
			if strings.Contains(path, "//") || strings.Contains(path+"/", "/./") || name == "" || strings.HasPrefix(name, ".") {
				continue // nginx normalises such paths, and refuses such hosts
			}
			got, err := askNginx(client, name, path)
			if err != nil {
				t.Fatal(err)
			}
			m := table.Match(name, path)
			if m.Host.Regex && strings.Contains(path, "é") {
				continue // two characters to nginx, one to us
			}
			want := strings.TrimPrefix(describe(m), " ") // the catch-all has no name
			switch {
			case m.Route == nil:
				want = "404"
			case m.Slash:
				want = "301 " + path + "/"
			}
			if got != want {
				t.Errorf("table %d, %s%s: nginx says %q, the table %q", i, name, path, got, want)
			}
		}
	}
}

// nginxHosts changes hosts into ones that nginx can be asked about: with a catch-all; without wildcard
// aliases, which ingress-nginx hands on to nginx with another meaning; without aliases of wildcard hosts
// and of the catch-all, since to nginx wildcards are expressions too and the first expression wins; and
// without Prefix /a and /a/ side by side, which would be one location.
func nginxHosts(hosts []ir.VirtualHost) []ir.VirtualHost {
	if !slices.ContainsFunc(hosts, func(h ir.VirtualHost) bool { return h.Name == "" }) {
		hosts = append(hosts, host(""))
	}
	slices.SortFunc(hosts, func(a, b ir.VirtualHost) int { return strings.Compare(a.Name, b.Name) })
	names := make(map[string]bool)
	for i := range hosts {
		names[hosts[i].Name] = true
	}
	for i := range hosts {
		h := &hosts[i]
		h.Aliases = slices.DeleteFunc(h.Aliases, func(a string) bool { return a[0] == '*' || names[a] || strings.HasPrefix(h.Name, "*") || h.Name == "" })
		seen := make(map[string]bool)
		h.Routes = slices.DeleteFunc(h.Routes, func(r ir.Route) bool {
			bare := strings.TrimSuffix(r.Path, "/")
			was := r.Type == ir.Prefix && seen[bare]
			seen[bare] = seen[bare] || r.Type == ir.Prefix
			return was
		})
	}
	return hosts
}

// writeServer writes a host down as ingress-nginx's template does.
func writeServer(w io.Writer, dir string, table int, h *ir.VirtualHost) {
	name, option := h.Name, ""
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		name = `~^(?<subdomain>[\w-]+)\.` + strings.ReplaceAll(rest, ".", `\.`) + "$"
	} else if name == "" {
		name, option = "_", " default_server"
	}
	fmt.Fprintf(w, "server { listen unix:%s/in%d.sock%s; server_name %s;\n", dir, table, option, strings.Join(append([]string{name}, h.Aliases...), " "))
	location := func(match, path string, r *ir.Route) {
		fmt.Fprintf(w, "  location %s%q { proxy_set_header X-Route \"%s %s %s\"; proxy_pass http://unix:%s/up.sock; }\n",
			match, []byte(path), h.Name, r.Type, strings.ReplaceAll(r.Path, "$", "${dollar}"), dir)
	}
	for _, l := range ingressLocations(h) {
		switch {
		case h.Regex:
			location("~* ", "^"+l.path, l.route)
		case l.exact:
			location("= ", l.path, l.route)
		default:
			location("", l.path, l.route)
		}
	}
	_, _ = io.WriteString(w, "}\n")
}

// ingressLocation is a location of ingress-nginx's configuration.
type ingressLocation struct {
	path  string
	exact bool
	route *ir.Route
}

// ingressLocations does what ingress-nginx's updateServerLocations does with the sorted paths of a host.
func ingressLocations(h *ir.VirtualHost) []ingressLocation {
	routes := make([]*ir.Route, 0, len(h.Routes))
	hasExact := make(map[string]bool)
	for i := range h.Routes {
		routes = append(routes, &h.Routes[i])
		hasExact[h.Routes[i].Path] = hasExact[h.Routes[i].Path] || h.Routes[i].Type == ir.Exact
	}
	// Of routes with the same path the oldest goes first. We take one age for granted: that in which all that can
	// be reached is reached.
	age := func(r *ir.Route) int {
		switch {
		case r.Type == ir.Exact:
			return 1
		case r.Literal && hasExact[r.Path]:
			return 0
		}
		return 2
	}
	slices.SortStableFunc(routes, func(a, b *ir.Route) int { return age(a) - age(b) })
	slices.SortStableFunc(routes, func(a, b *ir.Route) int { return strings.Compare(b.Path, a.Path) })
	slices.SortStableFunc(routes, func(a, b *ir.Route) int { return len(b.Path) - len(a.Path) })
	var out []ingressLocation
	for _, r := range routes {
		switch below := strings.TrimSuffix(r.Path, "/") + "/"; {
		case r.Path == "/", r.Type == ir.Exact, !r.Literal:
			out = append(out, ingressLocation{r.Path, r.Type == ir.Exact, r})
		case hasExact[r.Path]:
			out = append(out, ingressLocation{below, false, r})
		default:
			out = append(out, ingressLocation{below, false, r}, ingressLocation{r.Path, true, r})
		}
	}
	return out
}

// serveRouteNames answers every request with its field X-Route.
func serveRouteNames(t *testing.T, socket string) {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Route"))
	})}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
}

// unixClient returns a client that asks the server behind a socket, once that is there.
func unixClient(t *testing.T, socket string) *http.Client {
	t.Helper()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			c, err := net.Dial("unix", socket)
			if err == nil || time.Now().After(end) {
				return c, err
			}
		}
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// askNginx returns what nginx does with a request, in the words of describe. A redirect tells only where to.
func askNginx(c *http.Client, name, path string) (string, error) {
	r, err := c.Do(&http.Request{Method: "GET", Host: name, URL: &url.URL{Scheme: "http", Host: "nginx", Path: path}})
	if err != nil {
		return "", fmt.Errorf("ask nginx for %q: %w", path, err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		return "", err
	case r.StatusCode == 301:
		to, err := r.Location()
		if err != nil {
			return "", err
		}
		return "301 " + to.Path, nil
	case r.StatusCode == 404:
		return "404", nil
	case r.StatusCode != 200:
		return "", fmt.Errorf("nginx answers %d to %q", r.StatusCode, path)
	}
	return string(body), nil
}
