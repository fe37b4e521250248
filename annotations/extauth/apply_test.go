package extauth

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
)

const acme = "/.well-known/acme-challenge"

// objects are ConfigMaps by "namespace/name".
type objects map[string]map[string]string

var _ feature.Objects = objects{}

func (o objects) ConfigMap(namespace, name string) (map[string]string, bool) {
	data, ok := o[namespace+"/"+name]
	return data, ok
}

func (objects) Secret(string, string) (map[string][]byte, bool) { return nil, false }
func (objects) HasService(string, string) bool                  { return false }

var configMaps = objects{
	"ns/headers":    {"X-Forwarded-Proto": "$pass_access_scheme", "X-Api-Key": " k3y "},
	"ns/bad-name":   {"X Y": "z"},
	"ns/framing":    {"Content-Length": "0"},
	"ns/bad-value":  {"X-Y": "a\nb"},
	"ns/bad-var":    {"X-Y": "$nonsense"},
	"other/headers": {"X-Y": "z"},
}

// read applies the family to an Ingress. Annotations without a prefix get nginx's.
func read(t *testing.T, annotations, globals map[string]string) (*feature.Intent, []feature.Problem, bool) {
	t.Helper()
	src := &feature.Source{
		Namespace: "ns", Annotations: map[string]string{}, Globals: globals, Objects: configMaps,
		Prefixes: []string{feature.YettPrefix, feature.NginxPrefix},
	}
	for k, v := range annotations {
		if !strings.Contains(k, "/") {
			k = feature.NginxPrefix + k
		}
		src.Annotations[k] = v
	}
	in := feature.Open(src).Reader(Family.KeySet())
	out := feature.NewIntent()
	Family.Apply(in, out)
	problems, deny := in.Problems()
	return out, problems, deny
}

func TestApply(t *testing.T) {
	type set = map[string]string
	const url = "http://auth.test/check"
	plain := Spec{URL: url, SignInParam: "rd", Except: acme}
	with := func(change func(*Spec)) []filter.Spec {
		s := plain
		change(&s)
		if len(s.ResponseHeaders) > 0 {
			return []filter.Spec{Clear{s.ResponseHeaders, s.Except}, s}
		}
		return []filter.Spec{s}
	}
	for name, c := range map[string]struct {
		annotations, globals set
		want                 []filter.Spec
		problem              string
	}{
		"nothing set":     {},
		"the URL alone":   {annotations: set{"auth-url": url}, want: []filter.Spec{plain}},
		"our prefix wins": {annotations: set{feature.YettPrefix + "auth-url": url, "auth-url": "http://other.test/"}, want: []filter.Spec{plain}},
		"everything": {
			annotations: set{
				"auth-url": url, "auth-method": "post", "auth-signin": "https://$host/start?x=1", "auth-signin-redirect-param": "back",
				"auth-response-headers": "X-User, x-user,X-Email,Authorization", "auth-proxy-set-headers": "headers",
				"auth-request-redirect": "https://$host$request_uri", "auth-cache-key": "$remote_user$http_authorization",
				"auth-cache-duration": "200 1m, 401 30s", "auth-always-set-cookie": "true", "auth-keepalive": "10",
			},
			globals: set{"no-auth-locations": "/a,/b"},
			want: with(func(s *Spec) {
				s.Method, s.SignIn, s.SignInParam, s.ResponseHeaders = "POST", "https://$host/start?x=1", "back", []string{"X-User", "X-Email", "Authorization"}
				s.SetHeaders = []ir.NameValue{{Name: "X-Api-Key", Value: "k3y"}, {Name: "X-Forwarded-Proto", Value: "$pass_access_scheme"}}
				s.RequestRedirect, s.CacheKey = "https://$host$request_uri", "$remote_user$http_authorization"
				s.CacheTimes = []CacheTime{{200, time.Minute}, {401, 30 * time.Second}}
				s.AlwaysSetCookie, s.Except = true, "/a,/b"
			}),
		},
		"a cache key alone": {
			annotations: set{"auth-url": url, "auth-cache-key": "$cookie_session"},
			want: with(func(s *Spec) {
				s.CacheKey, s.CacheTimes = "$cookie_session", []CacheTime{{200, 5 * time.Minute}, {202, 5 * time.Minute}, {401, 5 * time.Minute}}
			}),
		},
		"the ConfigMap's": {
			globals: set{
				"global-auth-url": url, "global-auth-method": "HEAD", "global-auth-signin": "/login", "global-auth-response-headers": "X-User",
				"global-auth-cache-key": "$remote_addr", "global-auth-cache-duration": "1h", "global-auth-always-set-cookie": "1",
				"global-auth-request-redirect": "/x", "global-auth-signin-redirect-param": "r",
			},
			want: with(func(s *Spec) {
				s.Method, s.SignIn, s.SignInParam, s.ResponseHeaders, s.CacheKey = "HEAD", "/login", "r", []string{"X-User"}, "$remote_addr"
				s.CacheTimes, s.AlwaysSetCookie = []CacheTime{{200, time.Hour}, {301, time.Hour}, {302, time.Hour}}, true
				s.RequestRedirect = "/x"
			}),
		},
		"the ConfigMap's, not wanted":      {annotations: set{"enable-global-auth": "false"}, globals: set{"global-auth-url": url}},
		"the ConfigMap's, wanted again":    {annotations: set{"enable-global-auth": "true"}, globals: set{"global-auth-url": url}, want: []filter.Spec{plain}},
		"the ConfigMap's, a bad opt-out":   {annotations: set{"enable-global-auth": "nope"}, globals: set{"global-auth-url": url}, want: []filter.Spec{plain}, problem: "not a bool"},
		"its own URL, nothing is mixed":    {annotations: set{"auth-url": url}, globals: set{"global-auth-url": "http://x.test/", "global-auth-signin": "/login"}, want: []filter.Spec{plain}},
		"global keys are not annotations":  {annotations: set{"global-auth-url": url}},
		"other keys alone do nothing":      {annotations: set{"auth-signin": "http://a.test/", "auth-response-headers": "X-User"}},
		"a bad page to sign in":            {annotations: set{"auth-url": url, "auth-signin": "javascript:alert(1)"}, want: []filter.Spec{plain}, problem: "not a place"},
		"a page with unknown variables":    {annotations: set{"auth-url": url, "auth-signin": "https://$hots/"}, want: []filter.Spec{plain}, problem: "unknown variable"},
		"a bad parameter":                  {annotations: set{"auth-url": url, "auth-signin-redirect-param": "a b"}, want: []filter.Spec{plain}, problem: "letters, digits"},
		"a bad cache key":                  {annotations: set{"auth-url": url, "auth-cache-key": "$"}, want: []filter.Spec{plain}, problem: "variable"},
		"names of the connection":          {annotations: set{"auth-url": url, "auth-response-headers": "Content-Length"}, want: []filter.Spec{plain}, problem: "belongs to the connection"},
		"times are not read without a key": {annotations: set{"auth-url": url, "auth-cache-duration": "200 1m"}, want: []filter.Spec{plain}},
	} {
		t.Run(name, func(t *testing.T) {
			out, problems, deny := read(t, c.annotations, c.globals)
			if deny {
				t.Errorf("denied: %+v", problems)
			}
			if diff := cmp.Diff(c.want, out.Filters); diff != "" {
				t.Error(diff)
			}
			if c.problem == "" && len(problems) > 0 || c.problem != "" && (len(problems) != 1 || !strings.Contains(problems[0].Reason, c.problem)) {
				t.Errorf("problems %+v, want one with %q", problems, c.problem)
			}
		})
	}
}

// TestMistakesClose has every mistake with which ingress-nginx would serve without authentication, and others. None may leave
// the paths open.
func TestMistakesClose(t *testing.T) {
	type set = map[string]string
	const url = "http://auth.test/check"
	for name, c := range map[string]struct {
		annotations, globals set
		problem              string
	}{
		"an empty URL":                       {annotations: set{"auth-url": ""}, problem: "it is empty"},
		"an empty URL with a global one":     {annotations: set{"auth-url": " "}, globals: set{"global-auth-url": url}, problem: "it is empty"},
		"no URL at all":                      {annotations: set{"auth-url": ":::"}, problem: "begins with http"},
		"no scheme":                          {annotations: set{"auth-url": "auth.test/check"}, problem: "begins with http"},
		"a scheme without host":              {annotations: set{"auth-url": "http://"}, problem: "names no host"},
		"a path without host":                {annotations: set{"auth-url": "http:///check"}, problem: "names no host"},
		"a file":                             {annotations: set{"auth-url": "file:///etc/passwd"}, problem: "begins with http"},
		"gopher":                             {annotations: set{"auth-url": "gopher://auth.test/"}, problem: "begins with http"},
		"a user in the URL":                  {annotations: set{"auth-url": "http://u:p@auth.test/"}, problem: "user or a password"},
		"two dots in the host":               {annotations: set{"auth-url": "http://auth..test/"}, problem: "names no host"},
		"a space in the host":                {annotations: set{"auth-url": "http://auth test/"}, problem: "names no host"},
		"a port that is none":                {annotations: set{"auth-url": "http://auth.test:http/"}, problem: "names no host"},
		"a fragment":                         {annotations: set{"auth-url": "http://auth.test/#x"}, problem: "fragment"},
		"an unknown variable":                {annotations: set{"auth-url": "http://auth.test/$nonsense"}, problem: "unknown variable"},
		"a variable without name":            {annotations: set{"auth-url": "http://auth.test/?a=$"}, problem: "variable"},
		"a scheme from a variable":           {annotations: set{"auth-url": "$scheme://auth.test/"}, problem: "begins with http"},
		"a host from a field":                {annotations: set{"auth-url": "http://$http_x_auth/"}, problem: "clients can choose"},
		"a host from an argument":            {annotations: set{"auth-url": "http://auth.test${arg_x}/"}, problem: "clients can choose"},
		"a host from the query":              {annotations: set{"auth-url": "http://auth.test$args"}, problem: "clients can choose"},
		"a host from the path":               {annotations: set{"auth-url": "http://$request_uri"}, problem: "names no host"},
		"a port from a cookie":               {annotations: set{"auth-url": "http://auth.test:$cookie_port/"}, problem: "clients can choose"},
		"quotes":                             {annotations: set{"auth-url": `http://auth.test/"`}, problem: "no URL has"},
		"a line feed":                        {annotations: set{"auth-url": "http://auth.test/\nx"}, problem: "no URL has"},
		"letters beyond ASCII":               {annotations: set{"auth-url": "http://bücher.test/"}, problem: "no URL has"},
		"an unknown method":                  {annotations: set{"auth-url": url, "auth-method": "BREW"}, problem: "one of GET"},
		"a method that opens tunnels":        {annotations: set{"auth-url": url, "auth-method": "CONNECT"}, problem: "one of GET"},
		"a name that is none":                {annotations: set{"auth-url": url, "auth-response-headers": "X-User,X:Y"}, problem: "not the name of a field"},
		"a missing ConfigMap":                {annotations: set{"auth-url": url, "auth-proxy-set-headers": "missing"}, problem: "no ConfigMap ns/missing"},
		"a ConfigMap elsewhere":              {annotations: set{"auth-url": url, "auth-proxy-set-headers": "other/headers"}, problem: "another namespace"},
		"a ConfigMap with a bad name":        {annotations: set{"auth-url": url, "auth-proxy-set-headers": "bad-name"}, problem: "not the name of a field"},
		"a ConfigMap that frames":            {annotations: set{"auth-url": url, "auth-proxy-set-headers": "framing"}, problem: "cannot be set"},
		"a ConfigMap with a bad value":       {annotations: set{"auth-url": url, "auth-proxy-set-headers": "bad-value"}, problem: "control character"},
		"a ConfigMap with a bad variable":    {annotations: set{"auth-url": url, "auth-proxy-set-headers": "bad-var"}, problem: "unknown variable"},
		"a way back with a bad variable":     {annotations: set{"auth-url": url, "auth-request-redirect": "$hots"}, problem: "unknown variable"},
		"a way back with a quote":            {annotations: set{"auth-url": url, "auth-request-redirect": `"`}, problem: "no URL has"},
		"cookies neither always nor not":     {annotations: set{"auth-url": url, "auth-always-set-cookie": "yes please"}, problem: "not a bool"},
		"a duration without unit":            {annotations: set{"auth-url": url, "auth-cache-duration": "200 5"}, problem: "write statuses"},
		"a duration that is none":            {annotations: set{"auth-url": url, "auth-cache-duration": "for ever"}, problem: "write statuses"},
		"a duration with illegal characters": {annotations: set{"auth-url": url, "auth-cache-duration": "200 5m;"}, problem: "write statuses"},
		"a bad URL of the ConfigMap":         {globals: set{"global-auth-url": ":::"}, problem: "begins with http"},
		"a bad name of the ConfigMap":        {globals: set{"global-auth-url": url, "global-auth-response-headers": "X Y"}, problem: "not the name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problems, deny := read(t, c.annotations, c.globals)
			if !deny {
				t.Error("the paths are open")
			}
			if len(problems) == 0 || !strings.Contains(problems[0].Reason, c.problem) {
				t.Errorf("problems %+v, want one with %q", problems, c.problem)
			}
		})
	}
}

func TestKeysOfTheConfigMap(t *testing.T) {
	got := map[string]bool{}
	for _, k := range Family.Settings {
		got[k.Name] = true
	}
	for _, name := range []string{
		"url", "method", "signin", "signin-redirect-param", "response-headers", "request-redirect", "cache-key", "cache-duration",
		"always-set-cookie",
	} {
		if !got["global-auth-"+name] {
			t.Errorf("global-auth-%s is missing", name)
		}
	}
}

func TestStringsHaveNoSecrets(t *testing.T) {
	s := Spec{URL: "http://auth.test/", SetHeaders: []ir.NameValue{{Name: "X-Api-Key", Value: "k3y"}}}
	if text := s.String(); strings.Contains(text, "k3y") || !strings.Contains(text, "X-Api-Key") {
		t.Error(text)
	}
}
