package translate_test

import (
	"path"
	"strings"
	"testing"

	"github.com/yettproxy/yett/controllers/translate"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/route"
	"github.com/yettproxy/yett/proxy/upstream"
)

// checkInvariants checks what holds for every result.
func checkInvariants(t *testing.T, o *translate.Objects, r *translate.Result) {
	t.Helper()
	count := 0
	for _, ing := range o.Ingresses {
		if ing != nil {
			count++
		}
	}
	if len(r.Verdicts) != count {
		t.Errorf("%d verdicts for %d Ingresses", len(r.Verdicts), count)
	}
	upstreams := map[any]bool{}
	for i, u := range r.Config.Upstreams {
		upstreams[u.Key] = true
		if i > 0 && r.Config.Upstreams[i-1].Key == u.Key {
			t.Errorf("upstream %v twice", u.Key)
		}
	}
	certificates := map[ir.CertificateRef]bool{{}: true}
	for _, c := range r.Config.Certificates {
		certificates[c.Ref] = true
	}
	table, _ := route.Compile(r.Config, &route.Env{Registry: upstream.NewRegistry()})
	names := map[string]bool{}
	for _, h := range r.Config.Hosts {
		if names[h.Name] {
			t.Errorf("host %q twice", h.Name)
		}
		names[h.Name] = true
		if !certificates[h.Certificate] {
			t.Errorf("host %q shows %v, which is not among the certificates", h.Name, h.Certificate)
		}
		if h.RedirectHost == "" {
			checkRoutes(t, &h, upstreams)
			checkMatches(t, table, &h)
		}
	}
	if !names[""] {
		t.Error("no catch-all")
	}
	if len(o.Ingresses) > 0 && len(r.Verdicts) > 0 {
		for _, v := range r.Verdicts {
			if v.State == translate.Ignored && v.Reason == "" || v.State == translate.Rejected && len(v.Problems) == 0 && !v.Canary {
				t.Errorf("%s is %s without a reason", v.Name, v.State)
			}
		}
	}
}

// checkMatches asks the data plane for the path of every route that can be matched literally.
func checkMatches(t *testing.T, table *route.Table, h *ir.VirtualHost) {
	t.Helper()
	if h.Regex || strings.HasPrefix(h.Name, "*") {
		return
	}
	for _, r := range h.Routes {
		if strings.ContainsAny(r.Path, "%?#\x00") || strings.Contains(r.Path, "//") || path.Clean(r.Path) != r.Path && path.Clean(r.Path)+"/" != r.Path {
			continue
		}
		if m := table.Match(h.Name, r.Path); m.Route == nil || m.Route.Path != r.Path {
			t.Errorf("host %q path %q is not matched by its own route: %+v", h.Name, r.Path, m)
		}
	}
}

// checkRoutes checks the routes of a host.
func checkRoutes(t *testing.T, h *ir.VirtualHost, upstreams map[any]bool) {
	t.Helper()
	type place struct {
		path string
		kind ir.PathType
	}
	seen := map[place]bool{}
	for _, r := range h.Routes {
		at := place{r.Path, r.Type}
		if seen[at] {
			t.Errorf("host %q has %v twice", h.Name, at)
		}
		seen[at] = true
		if !strings.HasPrefix(r.Path, "/") {
			t.Errorf("host %q has path %q", h.Name, r.Path)
		}
		switch b := r.Backend; {
		case b.Upstream.IsZero() && b.Missing == 0:
			t.Errorf("host %q path %q leads nowhere", h.Name, r.Path)
		case !b.Upstream.IsZero() && !upstreams[b.Upstream],
			b.Canary != nil && !upstreams[b.Canary.Upstream],
			!b.Default.IsZero() && !upstreams[b.Default]:
			t.Errorf("host %q path %q leads to an upstream that is not listed", h.Name, r.Path)
		}
	}
	if !seen[place{"/", ir.Prefix}] {
		t.Errorf("host %q has no /", h.Name)
	}
}
