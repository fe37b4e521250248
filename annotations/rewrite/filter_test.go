package rewrite

import (
	"strings"
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/filter"
)

// build builds a spec for a route with a path.
func build(s Spec, path string) filter.Filter {
	return featuretest.Build(s, &filter.Env{Route: &filter.Origin{Path: path}})
}

// rewriteCases are the cases that TestAgainstNginx puts to nginx too; the path of a rule may not have the
// characters that end a string in nginx's configuration.
var rewriteCases = map[string]struct {
	path, target, request, want string
}{
	"the documented example":                    {"/something(/|$)(.*)", "/$2", "/something/new?a=b", "/new?a=b"},
	"the example without more":                  {"/something(/|$)(.*)", "/$2", "/something", "/"},
	"the example with a slash":                  {"/something(/|$)(.*)", "/$2", "/something/", "/"},
	"the case of the path does not count":       {"/something(/|$)(.*)", "/$2", "/SomeThing/New", "/New"},
	"without capture all becomes the target":    {"/something", "/", "/something/more/of/it", "/"},
	"the query is kept":                         {"/something", "/x", "/something?a=%20b&c", "/x?a=%20b&c"},
	"an empty query is lost":                    {"/something", "/x", "/something?", "/x"},
	"a group that took no part is empty":        {"/a(/b)?(/c)?", "/x$1-$2", "/a/c", "/x-/c"},
	"a group that does not exist is empty":      {"/a", "/x$9y", "/a", "/xy"},
	"nine groups":                               {"/(.)(.)(.)(.)(.)(.)(.)(.)(.)", "/$9$8$7$6$5$4$3$2$1", "/123456789", "/987654321"},
	"only one digit counts":                     {"/(.)", "/$10", "/a", "/a0"},
	"an encoded slash is decoded":               {"/a/(.*)", "/$1", "/a/x%2Fy", "/x/y"},
	"what was encoded is encoded again":         {"/a/(.*)", "/$1", "/a/%20%22%23%25%3C%3E%3F%5C%5E%60%7B%7C%7D%7F", "/%20%22%23%25%3C%3E%3F%5C%5E%60%7B%7C%7D%7F"},
	"what need not be encoded is decoded":       {"/a/(.*)", "/$1", "/a/%21%24%26%27%28%29%2A%2B%2C%3A%3B%3D%40%5B%5D%7E", "/!$&'()*+,:;=@[]~"},
	"letters beyond ASCII are encoded":          {"/a/(.*)", "/$1", "/a/%c3%a4", "/%C3%A4"},
	"a line feed is encoded":                    {"/a/([^q]*)", "/$1", "/a/x%0d%0ay", "/x%0D%0Ay"},
	"a line feed ends what a dot matches":       {"/a/(.*)", "/$1", "/a/x%0d%0ay", "/x%0D"},
	"a percent sign in the target is encoded":   {"/a", "/%2F", "/a", "/%252F"},
	"the path is found anywhere":                {"b/(.*)", "/$1", "/a/b/c", "/c"},
	"two slashes stay":                          {"/a(.*)", "/$1", "/a/b", "//b"},
	"a capture that brings its slash":           {"/a(/.*)", "$1", "/a/b", "/b"},
	"arguments in the target":                   {"/a/(.*)", "/x?p=$1", "/a/b", "/x?p=b"},
	"arguments and a query":                     {"/a/(.*)", "/x?p=$1", "/a/b?q=1", "/x?p=b&q=1"},
	"arguments at the end drop the query":       {"/a/(.*)", "/x?p=$1?", "/a/b?q=1", "/x?p=b"},
	"a question mark at the end drops it":       {"/a", "/x?", "/a?q=1", "/x"},
	"empty arguments":                           {"/a(.*)", "/x?$1", "/a?q=1", "/x?&q=1"},
	"captures in arguments are encoded":         {"/a/(.*)", "/x?p=$1", "/a/%26%3D%2B%23%20", "/x?p=%26=%2B%23%20"},
	"captures are encoded if there was a plus":  {"/a/(.*)", "/x?p=$1", "/a/b+c&d", "/x?p=b%2Bc%26d"},
	"captures are not encoded if nothing was":   {"/a/(.*)", "/x?p=$1", "/a/b&c=d", "/x?p=b&c=d"},
	"literal arguments stay as they are":        {"/a", "/x?p=%20&q=/", "/a", "/x?p=%20&q=/"},
	"variables in the path":                     {"/a", "/$request_method/x", "/a", "/GET/x"},
	"variables in the path are encoded":         {"/a", "/x$request_uri", "/a%20b?c", "/x/a%2520b%3Fc?c"},
	"a path that the expression does not match": {"/nosuch", "/x", "/a%2Fb?q", "/a%2Fb?q"},
	"the target is the path":                    {"/a", "/a", "/a/b%2F", "/a/b%2F"},
	"a target with a class":                     {"/[a-z]+/(\\d+)", "/$1", "/abc/42", "/42"},
	"look-ahead works":                          {"/(?!api)(.*)", "/x/$1", "/web/1", "/x/web/1"},
	"a long rest":                               {"/a/(.*)", "/$1", "/a/" + strings.Repeat("xyz/", 100), "/" + strings.Repeat("xyz/", 100)},
}

func TestRewrite(t *testing.T) {
	for name, tt := range rewriteCases {
		t.Run(name, func(t *testing.T) {
			x := featuretest.Exchange("GET", tt.request)
			if build(Spec{Target: tt.target}, tt.path).Request(x) != filter.Continue {
				t.Error("the request was answered")
			}
			got := x.Target
			if got == "" {
				got = x.Request.Target
			}
			if got != tt.want {
				t.Errorf("target %q, want %q", got, tt.want)
			}
			if x.Request.Target != tt.request {
				t.Errorf("the client's target became %q", x.Request.Target)
			}
		})
	}
}

func TestRewriteAlwaysGivesAPath(t *testing.T) {
	for name, tt := range map[string]struct{ path, target, request, want string }{
		"an empty capture":            {"/a(.*)", "$1", "/a", "/"},
		"an empty capture with query": {"/a(.*)", "$1", "/a?q", "/?q"},
		"a capture without slash":     {"/a(.*)", "$1", "/abc", "/bc"},
		"a target without slash":      {"/a", "x", "/a", "/x"},
		"an empty target with query":  {"/a", "?p", "/a", "/?p"},
	} {
		t.Run(name, func(t *testing.T) {
			x := featuretest.Exchange("GET", tt.request)
			build(Spec{Target: tt.target}, tt.path).Request(x)
			if x.Target != tt.want {
				t.Errorf("target %q, want %q", x.Target, tt.want)
			}
		})
	}
}

func TestRewriteNeverClimbs(t *testing.T) {
	for name, tt := range map[string]struct {
		path, target, request string
		refused               bool
	}{
		"dots without a slash before":     {"/api(.*)", "/$1", "/api../admin", true},
		"one dot":                         {"/api(.*)", "/$1", "/api./admin", true},
		"encoded dots":                    {"/api(.*)", "/$1", "/api%2e%2e/admin", true},
		"dots at the end":                 {"/api(.*)", "/v1/$1", "/api..", true},
		"dots from two groups":            {"/(.)x(.)", "/$1$2", "/.x.", true},
		"dots behind a literal":           {"/api/(.*)", "/a.$1", "/api/./x", false},
		"three dots":                      {"/api(.*)", "/$1", "/api.../x", false},
		"a name that begins with a dot":   {"/api(.*)", "/$1", "/api.well-known/x", false},
		"a name that begins with two":     {"/api(.*)", "/$1", "/api..x", false},
		"dots in the query of the client": {"/api(.*)", "/$1", "/api/x?/../y", false},
		"dots in arguments":               {"/api(.*)", "/x?p=/$1", "/api../admin", false},
		"dots that were encoded twice":    {"/api(.*)", "/$1", "/api%252e%252e/admin", false},
	} {
		t.Run(name, func(t *testing.T) {
			x := featuretest.Exchange("GET", tt.request)
			action := build(Spec{Target: tt.target}, tt.path).Request(x)
			if refused := action == filter.Done && x.Response.Status == 400 && x.Target == ""; refused != tt.refused {
				t.Errorf("action %v, status %d, target %q; want refused: %t", action, x.Response.Status, x.Target, tt.refused)
			}
		})
	}
}

func TestWhatTakesTooLongIsNotSentOn(t *testing.T) {
	request := "/" + strings.Repeat("a", 60) + "!"
	for _, target := range []string{"/x", "/$1", "https://b.test/$1"} {
		x := featuretest.Exchange("GET", request)
		if action := build(Spec{Target: target}, `/(?!x)(?:(\w+/?)*$|.*)`).Request(x); action != filter.Done || x.Response.Status != 500 {
			t.Errorf("%s: action %v, status %d, want 500", target, action, x.Response.Status)
		}
	}
}

func TestRedirect(t *testing.T) {
	for name, tt := range map[string]struct{ path, target, request, want string }{
		"a capture":                      {"/a/(.*)", "https://b.test/$1", "/a/x", "https://b.test/x"},
		"the query is kept":              {"/a/(.*)", "https://b.test/$1", "/a/x?q=1", "https://b.test/x?q=1"},
		"arguments and a query":          {"/a/(.*)", "http://b.test/?p=$1", "/a/x?q=1", "http://b.test/?p=x&q=1"},
		"the query is dropped":           {"/a/(.*)", "http://b.test/$1?", "/a/x?q=1", "http://b.test/x"},
		"the scheme of the client":       {"/a/(.*)", "$scheme://b.test/$1", "/a/x", "http://b.test/x"},
		"what must be encoded is":        {"/a/([^q]*)", "https://b.test/$1", "/a/%0d%0aX:%20y%3F", "https://b.test/%0D%0AX:%20y%3F"},
		"what the query brought stays":   {"/a/(.*)", "https://b.test/$1", "/a/x?a=%20", "https://b.test/x?a=%20"},
		"a target with encoded text":     {"/a", "https://b.test/%20x", "/a", "https://b.test/%20x"},
		"a path that does not match":     {"/nosuch", "https://b.test/", "/a", ""},
		"raw bytes in the query are not": {"/a", "https://b.test/", "/a?\xc3\xa4", "https://b.test/?%C3%A4"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Spec{Target: tt.target}
			x := featuretest.Exchange("GET", tt.request)
			action := build(s, tt.path).Request(x)
			status, location := featuretest.Location(x)
			if location != tt.want || tt.want != "" && (status != 302 || action != filter.Done) {
				t.Errorf("action %v, %d %q, want %q", action, status, location, tt.want)
			}
			if s.Phase() != filter.Redirect || x.Target != "" {
				t.Errorf("phase %v, target %q", s.Phase(), x.Target)
			}
		})
	}
}

func TestPrefix(t *testing.T) {
	for name, tt := range map[string]struct{ path, target, prefix, request, want string }{
		"constant text":                {"/a(/.*)?", "/x$1", "/a", "/a/b", "/a"},
		"a capture":                    {"/(a|b)(/.*)?", "/x$2", "/$1", "/b/c", "/b"},
		"also where nothing matches":   {"/nosuch", "/x", "/p", "/a", "/p"},
		"nothing if nothing changes":   {"/a", "/a", "/p", "/a", "mine"},
		"no line feeds":                {"/([^q]*)", "/x", "/$1", "/a%0d%0aX:%20y", "/a%0D%0AX: y"},
		"a capture that stays empty":   {"/a(x)?", "/x", "$1", "/a", ""},
		"not without being asked":      {"/a", "/x", "", "/a", "mine"},
		"a variable":                   {"/a", "/x", "/$host", "/a", "/a.test"},
		"bytes that are not ASCII are": {"/(.*)", "/x", "/$1", "/%c3%a4", "/%C3%A4"},
	} {
		t.Run(name, func(t *testing.T) {
			x := featuretest.Exchange("GET", tt.request, "X-Forwarded-Prefix", "mine")
			build(Spec{Target: tt.target, Prefix: tt.prefix}, tt.path).Request(x)
			got, overridden := x.Overrides.Find("X-Forwarded-Prefix")
			if !overridden {
				got, _ = x.Request.Fields.Find("X-Forwarded-Prefix")
			}
			if got != tt.want {
				t.Errorf("X-Forwarded-Prefix %q, want %q", got, tt.want)
			}
		})
	}
}

func TestBadPathsDenyTheRoute(t *testing.T) {
	for _, path := range []string{"/(a", "/[a", "/" + strings.Repeat("a", 5000)} {
		if _, err := (Spec{Target: "/"}).New(&filter.Env{Route: &filter.Origin{Path: path}}); err == nil {
			t.Errorf("path %.10q… gave a filter", path)
		}
	}
}

func TestSpecSaysWhatItIs(t *testing.T) {
	if got := (Spec{Target: "/$1"}).String(); got != "rewrite /$1" {
		t.Error(got)
	}
	if got := (Spec{Target: "/$1", Prefix: "/p"}).String(); got != "rewrite /$1 prefix /p" {
		t.Error(got)
	}
	if p := (Spec{Target: "/$1"}).Phase(); p != filter.Rewrite {
		t.Error(p)
	}
}

func TestFiltersDoNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	for _, s := range []Spec{{Target: "/x"}, {Target: "/$2"}, {Target: "/$2?p=$1", Prefix: "/$2"}, {Target: "/$request_uri"}, {Target: "https://b.test/$2"}} {
		f := build(s, "/something(/|$)(.*)")
		x := featuretest.Exchange("GET", "/something/new%20thing?a=b")
		n := testing.AllocsPerRun(100, func() {
			x.Arena.Reset()
			x.Overrides.Reset()
			f.Request(x)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", s, n)
		}
	}
}

func FuzzRewrite(f *testing.F) {
	f.Add("/something(/|$)(.*)", "/$2", "/something/new", "a=b")
	f.Add("/a", "https://b.test/$1?x=$2", "/a\r\nb", "?")
	f.Add("/(.*)", "$1?$request_uri", "/%", "\xff")
	f.Fuzz(func(t *testing.T, path, target, request, query string) {
		env := &filter.Env{Route: &filter.Origin{Path: path}}
		flt, err := Spec{Target: target, Prefix: target}.New(env)
		if err != nil || !isTarget(target) {
			return
		}
		x := featuretest.Exchange("GET", "/raw%20path")
		x.Request.Path, x.Request.Query = "/"+request, ""
		if isTarget(query) {
			x.Request.Query = query
		}
		flt.Request(x)
		if x.Target != "" && x.Target[0] != '/' {
			t.Errorf("target %q is no path", x.Target)
		}
		_, location := featuretest.Location(x)
		prefix, _ := x.Overrides.Find("X-Forwarded-Prefix")
		for _, text := range []string{x.Target, location} {
			if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
				t.Errorf("%q has what no URI may hold", text)
			}
		}
		if strings.ContainsAny(prefix, "\r\n\x00") {
			t.Errorf("prefix %q breaks out of its field", prefix)
		}
	})
}

func BenchmarkRewrite(b *testing.B) {
	f := build(Spec{Target: "/$2"}, "/something(/|$)(.*)")
	x := featuretest.Exchange("GET", "/something/new/thing?a=b")
	b.ReportAllocs()
	for b.Loop() {
		x.Arena.Reset()
		f.Request(x)
	}
}
