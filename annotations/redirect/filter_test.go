package redirect

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/filter"
)

func TestSSL(t *testing.T) {
	withTLS := filter.Env{HostHasTLS: true}
	tests := map[string]struct {
		spec   SSL
		env    filter.Env
		target string
		change func(x *filter.Exchange)
		want   string // "" for none
	}{
		"path and query are kept":               {SSL{}, withTLS, "/a/b?c=d&e", nil, "https://a.test/a/b?c=d&e"},
		"the root loses its slash":              {SSL{}, withTLS, "/", nil, "https://a.test"},
		"one trailing slash is cut":             {SSL{}, withTLS, "/a//", nil, "https://a.test/a/"},
		"the slash at the end of a query too":   {SSL{}, withTLS, "/a/?next=/", nil, "https://a.test/a/?next="},
		"the slash is preserved":                {SSL{PreserveSlash: true}, withTLS, "/a/", nil, "https://a.test/a/"},
		"the raw URI stays as it is":            {SSL{}, withTLS, "/a%2Fb/../%C3%A4//x", nil, "https://a.test/a%2Fb/../%C3%A4//x"},
		"the port is cut":                       {SSL{}, withTLS, "/x", host("a.test:8080"), "https://a.test/x"},
		"the port of an IPv6 address is cut":    {SSL{}, withTLS, "/x", host("[::1]:80"), "https://[::1]/x"},
		"an IPv6 address without port":          {SSL{}, withTLS, "/x", host("[::1]"), "https://[::1]/x"},
		"the case of the host is kept":          {SSL{}, withTLS, "/x", host("A.Test"), "https://A.Test/x"},
		"the port is written":                   {SSL{Port: true}, withTLS, "/x", nil, "https://a.test:443/x"},
		"another port is written":               {SSL{Port: true}, filter.Env{HostHasTLS: true, HTTPSPort: 8443}, "/x", nil, "https://a.test:8443/x"},
		"the port is not written unasked":       {SSL{}, filter.Env{HostHasTLS: true, HTTPSPort: 8443}, "/x", nil, "https://a.test/x"},
		"a host without TLS stays":              {SSL{}, filter.Env{}, "/x", nil, ""},
		"a host without TLS is forced":          {SSL{Force: true}, filter.Env{}, "/x", nil, "https://a.test/x"},
		"https stays":                           {SSL{Force: true}, withTLS, "/x", func(x *filter.Exchange) { x.Scheme = "https" }, ""},
		"what a trusted peer says is https":     {SSL{}, withTLS, "/x", func(x *filter.Exchange) { x.Scheme = "https" }, ""},
		"http within TLS stays":                 {SSL{}, withTLS, "/x", overTLS, ""},
		"http within TLS is forced":             {SSL{Force: true}, withTLS, "/x", overTLS, "https://a.test/x"},
		"the host that a trusted peer says":     {SSL{}, withTLS, "/x", func(x *filter.Exchange) { x.ForwardedHost = "b.test:81" }, "https://b.test/x"},
		"an excepted path stays":                {SSL{Except: "/b,/"}, withTLS, "/x", nil, ""},
		"exceptions go before force":            {SSL{Force: true, Except: "/"}, withTLS, "/x", nil, ""},
		"a path that is not excepted":           {SSL{Except: "/b"}, withTLS, "/b/x", nil, "https://a.test/b/x"},
		"no host means the listener's address":  {SSL{}, withTLS, "/x", host(""), "https://192.0.2.80/x"},
		"the listener's IPv6 address":           {SSL{}, withTLS, "/x", local6, "https://[2001:db8::80]/x"},
		"OPTIONS * leads to a path":             {SSL{}, withTLS, "*", nil, "https://a.test/*"},
		"what no field may hold is encoded":     {SSL{}, withTLS, "/a\r\nX: y", nil, "https://a.test/a%0D%0AX:%20y"},
		"what is not ASCII is encoded":          {SSL{}, withTLS, "/\xc3\xa4", nil, "https://a.test/%C3%A4"},
		"a host that a trusted peer makes up":   {SSL{}, withTLS, "/x", func(x *filter.Exchange) { x.ForwardedHost = "b\nc" }, "https://b%0Ac/x"},
		"a target that is a path with a colon:": {SSL{}, withTLS, "/a:80", nil, "https://a.test/a:80"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.spec.Code = 308
			f := featuretest.Build(tt.spec, &tt.env)
			x := featuretest.Exchange("GET", tt.target)
			if tt.change != nil {
				tt.change(x)
			}
			action := f.Request(x)
			status, location := featuretest.Location(x)
			if location != tt.want {
				t.Errorf("Location %q, want %q", location, tt.want)
			}
			if (action == filter.Done) != (tt.want != "") || tt.want != "" && status != 308 {
				t.Errorf("action %v, status %d", action, status)
			}
		})
	}
}

// host makes the request one for another authority.
func host(authority string) func(*filter.Exchange) {
	return func(x *filter.Exchange) { featuretest.SetHost(x, authority) }
}

// overTLS makes the request come over TLS from a peer that says its client speaks http.
func overTLS(x *filter.Exchange) { x.Conn.TLS = &tls.ConnectionState{} }

// local6 takes the host away and lets the listener be at an IPv6 address.
func local6(x *filter.Exchange) {
	featuretest.SetHost(x, "")
	x.Conn.Local = netip.MustParseAddrPort("[2001:db8::80]:80")
}

func TestTo(t *testing.T) {
	tests := map[string]struct {
		spec   To
		change func(x *filter.Exchange)
		want   string
	}{
		"a URL stays as given":                 {To{Location: "https://b.test/a//b/?c#d"}, nil, "https://b.test/a//b/?c#d"},
		"a path gets scheme and host":          {To{Location: "/x"}, nil, "http://a.test/x"},
		"a path gets no port":                  {To{Location: "/x"}, host("a.test:8080"), "http://a.test/x"},
		"a path stays relative":                {To{Location: "/x", Relative: true}, nil, "/x"},
		"a path gets the client's scheme":      {To{Location: "/x"}, func(x *filter.Exchange) { x.Scheme = "https" }, "https://a.test/x"},
		"the usual port is left out":           {To{Location: "/x", Port: true}, nil, "http://a.test/x"},
		"another port is written":              {To{Location: "/x", Port: true}, port(8080), "http://a.test:8080/x"},
		"another port is not written unasked":  {To{Location: "/x"}, port(8080), "http://a.test/x"},
		"text that is neither":                 {To{Location: "x"}, nil, "x"},
		"variables are filled in":              {To{Location: "https://b.test$request_uri"}, nil, "https://b.test/in?q=1"},
		"variables in a path":                  {To{Location: "/to$request_uri"}, nil, "http://a.test/to/in?q=1"},
		"what variables hold is encoded again": {To{Location: "https://b.test/$http_x"}, nil, "https://b.test/a%20%C3%A4b"},
		"a decoded path cannot end the field":  {To{Location: "https://b.test$uri"}, func(x *filter.Exchange) { x.Request.Path = "/a\r\nX: y" }, "https://b.test/a%0D%0AX:%20y"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.spec.Code = 301
			f := featuretest.Build(tt.spec, &filter.Env{})
			x := featuretest.Exchange("GET", "/in?q=1", "X", "a \xc3\xa4b")
			if tt.change != nil {
				tt.change(x)
			}
			if f.Request(x) != filter.Done {
				t.Error("the request goes on")
			}
			if status, location := featuretest.Location(x); status != 301 || location != tt.want {
				t.Errorf("%d %q, want 301 %q", status, location, tt.want)
			}
		})
	}
}

// port lets the listener be at a port.
func port(n uint16) func(*filter.Exchange) {
	return func(x *filter.Exchange) { x.Conn.Local = netip.AddrPortFrom(x.Conn.Local.Addr(), n) }
}

func TestSpecsSayWhatTheyAre(t *testing.T) {
	for _, tt := range []struct {
		spec filter.Spec
		want string
	}{
		{SSL{Code: 308}, "ssl-redirect 308"},
		{SSL{Code: 308, Force: true, PreserveSlash: true, Port: true, Except: "/a,/b"}, "ssl-redirect 308 force preserve-slash port except /a,/b"},
		{To{Location: "/x", Code: 301}, "redirect 301 /x"},
		{To{Location: "/x", Code: 301, Relative: true, Port: true}, "redirect 301 /x relative port"},
	} {
		if got := tt.spec.String(); got != tt.want {
			t.Errorf("String is %q, want %q", got, tt.want)
		}
		if tt.spec.Phase() != filter.Redirect {
			t.Errorf("%s runs in phase %v", tt.want, tt.spec.Phase())
		}
	}
}

func TestFiltersDoNotAllocate(t *testing.T) {
	for _, spec := range []filter.Spec{SSL{Code: 308}, SSL{Code: 308, Port: true}, To{Location: "/x", Code: 301}, To{Location: "https://b.test$request_uri", Code: 301}} {
		f := featuretest.Build(spec, &filter.Env{HostHasTLS: true})
		x := featuretest.Exchange("GET", "/a/b?c")
		n := testing.AllocsPerRun(100, func() {
			x.Arena.Reset()
			f.Request(x)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", spec, n)
		}
	}
}

func FuzzLocation(f *testing.F) {
	f.Add("/a?b=c/", "a.test:80", "/a")
	f.Add("*", "", "$request_uri")
	f.Add("/\r\nSet-Cookie: a=b", "[::1]:80", "https://b.test$uri?$http_x")
	f.Add("\x00\xff", "\n", "/$http_host")
	f.Fuzz(func(t *testing.T, target, authority, to string) {
		x := featuretest.Exchange("GET", target, "X", "v")
		featuretest.SetHost(x, authority)
		specs := []filter.Spec{SSL{Code: 308, Port: true}}
		if isLocation(to) {
			specs = append(specs, To{Location: to, Code: 301, Port: true})
		}
		for _, spec := range specs {
			f, err := spec.New(&filter.Env{Route: &filter.Origin{Path: "/"}, HostHasTLS: true})
			if err != nil {
				return
			}
			f.Request(x)
			_, location := featuretest.Location(x)
			if strings.ContainsFunc(location, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
				t.Errorf("%s gives %q, which no field may hold", spec, location)
			}
		}
	})
}

func BenchmarkPassing(b *testing.B) {
	f := featuretest.Build(SSL{Code: 308}, &filter.Env{HostHasTLS: true})
	x := featuretest.Exchange("GET", "/a/b?c")
	x.Scheme = "https"
	b.ReportAllocs()
	for b.Loop() {
		f.Request(x)
	}
}

func BenchmarkRedirecting(b *testing.B) {
	f := featuretest.Build(SSL{Code: 308}, &filter.Env{HostHasTLS: true})
	x := featuretest.Exchange("GET", "/a/b?c")
	b.ReportAllocs()
	for b.Loop() {
		x.Arena.Reset()
		f.Request(x)
	}
}
