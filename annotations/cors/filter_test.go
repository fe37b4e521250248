package cors

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/filter"
)

// fields returns the fields of the response as lines.
func fields(x *filter.Exchange) []string {
	var lines []string
	for _, f := range x.Response.Fields.All() {
		lines = append(lines, f.Name+": "+f.Value)
	}
	return lines
}

func TestResponse(t *testing.T) {
	restricted := byDefault()
	restricted.Origins, restricted.Methods, restricted.Headers, restricted.MaxAge = "https://a.test", "GET", "X-A", 60
	open := restricted
	open.Origins, open.Credentials, open.Expose = "*", false, "X-B"
	tests := map[string]struct {
		spec   Spec
		from   string
		fields []string // of the upstream, in pairs
		want   []string
	}{
		"an allowed origin is echoed": {restricted, "https://a.test", nil, []string{
			"Vary: Origin", "Access-Control-Allow-Origin: https://a.test", "Access-Control-Allow-Credentials: true",
			"Access-Control-Allow-Methods: GET", "Access-Control-Allow-Headers: X-A", "Access-Control-Max-Age: 60",
		}},
		"all origins are a star": {open, "https://c.test", nil, []string{
			"Access-Control-Allow-Origin: *", "Access-Control-Allow-Methods: GET", "Access-Control-Allow-Headers: X-A",
			"Access-Control-Expose-Headers: X-B", "Access-Control-Max-Age: 60",
		}},
		"all origins include none": {open, "", nil, []string{
			"Access-Control-Allow-Origin: *", "Access-Control-Allow-Methods: GET", "Access-Control-Allow-Headers: X-A",
			"Access-Control-Expose-Headers: X-B", "Access-Control-Max-Age: 60",
		}},
		"the upstream's fields are replaced": {
			restricted, "https://a.test",
			[]string{"access-control-allow-origin", "*", "X-Mine", "1", "ACCESS-CONTROL-MAX-AGE", "9", "Access-Control-Expose-Headers", "X-C"},
			[]string{
				"X-Mine: 1", "Access-Control-Expose-Headers: X-C", "Vary: Origin", "Access-Control-Allow-Origin: https://a.test",
				"Access-Control-Allow-Credentials: true", "Access-Control-Allow-Methods: GET", "Access-Control-Allow-Headers: X-A",
				"Access-Control-Max-Age: 60",
			},
		},
		"another origin gets what the upstream says": {
			restricted, "https://b.test", []string{"Access-Control-Allow-Origin", "https://b.test"},
			[]string{"Access-Control-Allow-Origin: https://b.test", "Vary: Origin"},
		},
		"caches have been told": {
			restricted, "https://b.test", []string{"Vary", "Accept, origin"}, []string{"Vary: Accept, origin"},
		},
		"caches have been told everything": {restricted, "", []string{"Vary", "*"}, []string{"Vary: *"}},
		"caches were told something else":  {restricted, "", []string{"Vary", "Accept"}, []string{"Vary: Accept", "Vary: Origin"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x := featuretest.Exchange("GET", "/")
			if tt.from != "" {
				x.Request.Fields.Add("Origin", tt.from)
			}
			f := featuretest.Build(tt.spec, &filter.Env{}).(filter.ResponseFilter)
			if f.Request(x) != filter.Continue {
				t.Error("a GET was answered")
			}
			x.Response.Status = 401
			for i := 0; i < len(tt.fields); i += 2 {
				x.Response.Fields.Add(tt.fields[i], tt.fields[i+1])
			}
			f.Response(x)
			if diff := cmp.Diff(tt.want, fields(x)); diff != "" {
				t.Errorf("fields (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPreflight(t *testing.T) {
	restricted := byDefault()
	restricted.Origins = "https://a.test"
	tests := map[string]struct {
		spec   Spec
		method string
		from   string
		want   bool
	}{
		"an allowed origin":             {restricted, "OPTIONS", "https://a.test", true},
		"another origin is passed on":   {restricted, "OPTIONS", "https://b.test", false},
		"no origin is passed on":        {restricted, "OPTIONS", "", false},
		"any origin, all being allowed": {byDefault(), "OPTIONS", "https://b.test", true},
		"no origin, all being allowed":  {byDefault(), "OPTIONS", "", true},
		"another method":                {byDefault(), "POST", "https://a.test", false},
		"methods have a case":           {byDefault(), "options", "https://a.test", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			x := featuretest.Exchange(tt.method, "/")
			if tt.from != "" {
				x.Request.Fields.Add("Origin", tt.from)
			}
			f := featuretest.Build(tt.spec, &filter.Env{}).(filter.ResponseFilter)
			if got := f.Request(x) == filter.Done; got != tt.want {
				t.Fatalf("answered: %v, want %v", got, tt.want)
			}
			if !tt.want {
				return
			}
			f.Response(x)
			got := fields(x)
			if x.Response.Status != 204 || x.Response.Length != 0 || x.Body != "" || got[0] != "Content-Type: text/plain charset=UTF-8" {
				t.Errorf("answer %d, %d bytes %q, %q", x.Response.Status, x.Response.Length, x.Body, got)
			}
			if _, ok := x.Response.Fields.Find(allowOrigin); !ok {
				t.Errorf("no %s in %q", allowOrigin, got)
			}
		})
	}
}

func TestSpecSaysWhatItIs(t *testing.T) {
	s := Spec{Origins: "https://a.test", Methods: "GET", Headers: "X-A", Expose: "X-B", Credentials: true, MaxAge: 60}
	want := `cors origins=https://a.test methods="GET" headers="X-A" max-age=60 expose="X-B" credentials`
	if s.String() != want || s.Phase() != filter.Preflight {
		t.Errorf("%s in phase %v", s, s.Phase())
	}
	if _, err := (Spec{Origins: "a.test"}).New(&filter.Env{}); err == nil {
		t.Error("a bad origin gave a filter")
	}
}

func TestFilterDoesNotAllocate(t *testing.T) {
	s := byDefault()
	s.Origins = "https://b.test,https://*.a.test"
	f := featuretest.Build(s, &filter.Env{}).(filter.ResponseFilter)
	for _, method := range []string{"GET", "OPTIONS"} {
		x := featuretest.Exchange(method, "/", "Origin", "https://c.a.test")
		n := testing.AllocsPerRun(100, func() {
			x.Response.Reset()
			f.Request(x)
			f.Response(x)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", method, n)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := byDefault()
	s.Origins = "https://b.test,https://*.a.test"
	f := featuretest.Build(s, &filter.Env{}).(filter.ResponseFilter)
	x := featuretest.Exchange("GET", "/", "Origin", "https://c.a.test")
	b.ReportAllocs()
	for b.Loop() {
		x.Response.Reset()
		f.Request(x)
		f.Response(x)
	}
}
