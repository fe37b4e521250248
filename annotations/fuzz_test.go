package annotations

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/filter"
)

// objects are a few objects that annotations can name, whole and broken.
type objects struct{}

func (objects) Secret(_, name string) (map[string][]byte, bool) {
	switch name {
	case "users":
		return map[string][]byte{"auth": []byte("foo:$apr1$OFG3Xybp$ckL0FHDAkoXYIlH9.cysT0\nbar:{SHA}x\n:\n"), "eve": []byte("{PLAIN}x")}, true
	case "tls":
		const block = "-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----\n"
		return map[string][]byte{"ca.crt": []byte(block), "tls.crt": []byte(block), "tls.key": []byte("x")}, true
	}
	return nil, false
}

func (objects) ConfigMap(_, name string) (map[string]string, bool) {
	return map[string]string{"X-One": "1", "X Bad": "2", "X-Var": "$host ${", "": "x"}, name == "headers"
}

func (objects) HasService(_, name string) bool { return name == "web" }

// parse reads lines "key: value" into a map.
func parse(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		key, value, _ := strings.Cut(line, ": ")
		m[key] = strings.ReplaceAll(value, `\n`, "\n")
	}
	return m
}

// seeds are values that have to do with most keys.
var seeds = []string{
	"", "true", "false", "on", "off", "0", "1", "-1", "999999999999999999999", "1m", "60s", "users", "shop/users", "other/users", "tls", "headers",
	"web", "$host", "${", "$arg_x$1", "/", "/a/$1", "http://auth.test/check?x=1", "https://$host/", "*", "a.test,*.b.test,~^c", "https://*.a.test, null",
	"10.0.0.0/8,::1", "10.0.0.0/8,x", "basic", "digest", "auth-map", "cookie", "error timeout http_502", "200 202 401 5m", "X-One, X-Two",
	"(((((", "a\\nb", "\xff\xfe", "TLSv1.2", "CN=x", "GRPC", "Strict", "GET", "301", "404,503", strings.Repeat("a", 5000),
}

// check runs one Ingress through everything that happens to annotations, and builds the filters that come out.
func check(t *testing.T, annotations, globals map[string]string) {
	src := &feature.Source{
		Namespace: "shop", Prefixes: Prefixes(), Annotations: annotations, Globals: globals, Objects: objects{},
	}
	intent, problems := Apply(src)
	again, problemsAgain := Apply(src)
	if !reflect.DeepEqual(problems, problemsAgain) || !same(intent, again) {
		t.Errorf("two runs differ:\n%s\n%s\n%+v\n%+v", describe(intent), describe(again), problems, problemsAgain)
	}
	for _, p := range problems {
		if p.Key == "" || p.Reason == "" || len(p.Value) > 200 || strings.HasPrefix(p.Reason, "internal error") {
			t.Errorf("problem %+v", p)
		}
		if p.Denied && intent.Deny == 0 {
			t.Errorf("%+v denies, but the intent does not", p)
		}
	}
	env := &filter.Env{
		Route: &filter.Origin{Namespace: "shop", Ingress: "web", Host: "a.test", Path: "/"},
		State: filter.NewState(), HTTP: http.DefaultTransport, Context: context.Background(),
	}
	for _, s := range intent.Filters {
		if s.String() == "" {
			t.Errorf("filter %T has no description", s)
		}
		if f, err := s.New(env); (f == nil) == (err == nil) {
			t.Errorf("%v: filter %v, error %v", s, f, err)
		}
	}
	_, problems = Configure(&feature.Source{Namespace: "shop", Prefixes: Prefixes(), Globals: globals, Objects: objects{}})
	for _, p := range problems {
		if strings.HasPrefix(p.Reason, "internal error") {
			t.Errorf("problem %+v", p)
		}
	}
}

// same reports whether two intents ask for the same, filters by their descriptions.
func same(a, b *feature.Intent) bool {
	x, y := *a, *b
	x.Filters, y.Filters = nil, nil
	return reflect.DeepEqual(x, y) && slices.Equal(filters(a), filters(b))
}

// filters describes the filters of an intent.
func filters(i *feature.Intent) (list []string) {
	for _, f := range i.Filters {
		list = append(list, f.Phase().String()+" "+f.String())
	}
	return list
}

// describe prints an intent.
func describe(i *feature.Intent) string {
	plain := *i
	plain.Filters = nil
	return fmt.Sprintf("%+v %q", plain, filters(i))
}

func TestNoValueOfAnyKeyBreaksAnything(t *testing.T) {
	for _, name := range all.annotationNames {
		for _, value := range seeds {
			value = strings.ReplaceAll(value, `\n`, "\n")
			check(t, map[string]string{feature.NginxPrefix + name: value}, nil)
		}
	}
	for _, name := range all.settingNames {
		for _, value := range seeds {
			check(t, map[string]string{}, map[string]string{name: strings.ReplaceAll(value, `\n`, "\n")})
		}
	}
}

func FuzzAnnotations(f *testing.F) {
	var lines []string
	for i, name := range all.annotationNames {
		lines = append(lines, feature.NginxPrefix+name+": "+seeds[i%len(seeds)])
	}
	for part := range slices.Chunk(lines, 8) {
		f.Add(strings.Join(part, "\n"), "ssl-redirect: true\nannotations-risk-level: Critical")
	}
	for i, name := range all.settingNames {
		f.Add(feature.YettPrefix+"enable-cors: true", name+": "+seeds[(i+7)%len(seeds)])
	}
	f.Fuzz(func(t *testing.T, annotations, globals string) {
		if len(annotations)+len(globals) > 20000 {
			return
		}
		check(t, parse(annotations), parse(globals))
	})
}
