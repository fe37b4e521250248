package headers

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
)

// withConfigMap returns objects with one ConfigMap, shop/fields.
func withConfigMap(data map[string]string) featuretest.Objects {
	return featuretest.Objects{ConfigMaps: map[string]map[string]string{"shop/fields": data, "else/fields": data}}
}

func TestApplyToPolicy(t *testing.T) {
	type kv = map[string]string
	tests := map[string]struct {
		annotations      kv
		host, connection string
		refused          []string
	}{
		"no key at all":                     {nil, "", "", nil},
		"upstream-vhost":                    {kv{"upstream-vhost": "b.test"}, "b.test", "", nil},
		"upstream-vhost with a variable":    {kv{"upstream-vhost": "$arg_tenant.b.test"}, "$arg_tenant.b.test", "", nil},
		"upstream-vhost of another cluster": {kv{"upstream-vhost": "b.test:8080"}, "b.test:8080", "", nil},
		"our prefix wins":                   {kv{"upstream-vhost": "b.test", feature.YettPrefix + "upstream-vhost": "c.test"}, "c.test", "", nil},
		"an unknown variable":               {kv{"upstream-vhost": "$nosuch"}, "", "", []string{"upstream-vhost"}},
		"a host with a line feed":           {kv{"upstream-vhost": "b.test\nX: y"}, "", "", []string{"upstream-vhost"}},
		"connection close":                  {kv{"connection-proxy-header": "close"}, "", "close", nil},
		"connection keep-alive":             {kv{"connection-proxy-header": "keep-alive"}, "", "keep-alive", nil},
		"another connection":                {kv{"connection-proxy-header": "upgrade"}, "", "", []string{"connection-proxy-header"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations})
			if out.Policy.Host != tt.host || out.Policy.Connection != tt.connection {
				t.Errorf("host %q, connection %q; want %q, %q", out.Policy.Host, out.Policy.Connection, tt.host, tt.connection)
			}
			if diff := cmp.Diff(tt.refused, out.Refused); diff != "" {
				t.Errorf("refused keys (-want +got):\n%s", diff)
			}
			if out.Denied {
				t.Error("routes are denied")
			}
		})
	}
}

func TestCustomHeaders(t *testing.T) {
	type kv = map[string]string
	tests := map[string]struct {
		value, allowed string
		data           kv
		want           []filter.Spec
		denied         bool
	}{
		"fields":                             {"fields", "X-A,X-B", kv{"X-B": "2", "X-A": "1; a=$b"}, []filter.Spec{Custom{From: "shop/fields", Fields: "X-A: 1; a=$b\nX-B: 2"}}, false},
		"with the namespace":                 {"shop/fields", "X-A", kv{"X-A": "1"}, []filter.Spec{Custom{From: "shop/fields", Fields: "X-A: 1"}}, false},
		"names have no case":                 {"fields", "x-a", kv{"X-A": "1"}, []filter.Spec{Custom{From: "shop/fields", Fields: "X-A: 1"}}, false},
		"white space around values is cut":   {"fields", "X-A", kv{"X-A": " 1\n"}, []filter.Spec{Custom{From: "shop/fields", Fields: "X-A: 1"}}, false},
		"no fields at all":                   {"fields", "", nil, nil, false},
		"a ConfigMap that does not exist":    {"nosuch", "X-A", nil, nil, true},
		"a ConfigMap of another namespace":   {"else/fields", "X-A", kv{"X-A": "1"}, nil, true},
		"a field that is not allowed":        {"fields", "X-B", kv{"X-A": "1"}, nil, true},
		"one of two that is not allowed":     {"fields", "X-A", kv{"X-A": "1", "X-B": "2"}, nil, true},
		"a name that is no name":             {"fields", "X A", kv{"X A": "1"}, nil, true},
		"a value of two lines":               {"fields", "X-A", kv{"X-A": "1\nX-B: 2"}, nil, true},
		"a value that is not ASCII":          {"fields", "X-A", kv{"X-A": "ü"}, nil, true},
		"an empty value":                     {"fields", "X-A", kv{"X-A": ""}, nil, true},
		"a field that frames":                {"fields", "Content-Length", kv{"Content-Length": "0"}, nil, true},
		"a field that ends the connection":   {"fields", "connection", kv{"Connection": "close"}, nil, true},
		"a reference that is no reference":   {"a/b/c", "X-A", nil, nil, true},
		"a field that browsers look at only": {"fields", "Content-Security-Policy", kv{"Content-Security-Policy": "default-src 'self'"}, []filter.Spec{Custom{From: "shop/fields", Fields: "Content-Security-Policy: default-src 'self'"}}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{
				Annotations: kv{"custom-headers": tt.value}, ConfigMap: kv{"global-allowed-response-headers": tt.allowed},
				Objects: withConfigMap(tt.data),
			})
			if diff := cmp.Diff(tt.want, out.Filters); diff != "" {
				t.Errorf("filters (-want +got):\n%s", diff)
			}
			if out.Denied != tt.denied || (len(out.Refused) == 1) != tt.denied {
				t.Errorf("denied %v, problems %+v", out.Denied, out.Problems)
			}
		})
	}
}

func TestCustomHeadersReplaceFields(t *testing.T) {
	spec := Custom{From: "shop/fields", Fields: "X-A: 1: 2\nServer: mine"}
	if want := "custom-headers shop/fields X-A: 1: 2 | Server: mine"; spec.String() != want || spec.Phase() != filter.Header {
		t.Errorf("%s in phase %v", spec, spec.Phase())
	}
	f := featuretest.Build(spec, &filter.Env{}).(filter.ResponseFilter)
	x := featuretest.Exchange("GET", "/")
	if f.Request(x) != filter.Continue {
		t.Error("the request was answered")
	}
	x.Response.Fields.Add("x-a", "old")
	x.Response.Fields.Add("X-B", "2")
	x.Response.Fields.Add("x-a", "older")
	x.Response.Fields.Add("SERVER", "theirs")
	f.Response(x)
	var got []string
	for _, field := range x.Response.Fields.All() {
		got = append(got, field.Name+": "+field.Value)
	}
	if diff := cmp.Diff([]string{"X-B: 2", "X-A: 1: 2", "Server: mine"}, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	n := testing.AllocsPerRun(100, func() {
		f.Request(x)
		f.Response(x)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestConfigure(t *testing.T) {
	type kv = map[string]string
	byDefault := func(change func(*ir.HeaderSettings)) ir.HeaderSettings {
		h := ir.DefaultSettings().Headers
		if change != nil {
			change(&h)
		}
		return h
	}
	data := kv{"X-B": "$host", "X-A": "1", "X-None": "", "X Bad": "1", "X-Var": "$nosuch", "Connection": "close", "X-Lines": "1\n2"}
	tests := map[string]struct {
		configMap kv
		want      ir.HeaderSettings
		refused   []string
	}{
		"nothing":            {nil, byDefault(nil), nil},
		"HSTS off":           {kv{"hsts": "false"}, byDefault(func(h *ir.HeaderSettings) { h.HSTS = "" }), nil},
		"all of HSTS":        {kv{"hsts-max-age": "60", "hsts-preload": "true"}, byDefault(func(h *ir.HeaderSettings) { h.HSTS = "max-age=60; includeSubDomains; preload" }), nil},
		"little of HSTS":     {kv{"hsts-max-age": "0", "hsts-include-subdomains": "false"}, byDefault(func(h *ir.HeaderSettings) { h.HSTS = "max-age=0" }), nil},
		"a bad maximum age":  {kv{"hsts-max-age": "1y"}, byDefault(nil), []string{"hsts-max-age"}},
		"Server":             {kv{"allow-backend-server-header": "true", "server-tokens": "true"}, byDefault(func(h *ir.HeaderSettings) { h.KeepServer, h.ServerTokens = true, true }), nil},
		"hidden fields":      {kv{"hide-headers": "X-Powered-By, X-B,a b"}, byDefault(func(h *ir.HeaderSettings) { h.Hide = []string{"X-Powered-By", "X-B"} }), []string{"hide-headers"}},
		"no such ConfigMap":  {kv{"proxy-set-headers": "shop/nosuch"}, byDefault(nil), []string{"proxy-set-headers"}},
		"a bad reference":    {kv{"add-headers": "a/b/c"}, byDefault(nil), []string{"add-headers"}},
		"of the same place":  {kv{"add-headers": "one"}, byDefault(func(h *ir.HeaderSettings) { h.Response = []ir.NameValue{{Name: "X-A", Value: "1"}} }), nil},
		"not for upstreams":  {kv{"proxy-set-headers": "host"}, byDefault(nil), []string{"proxy-set-headers"}},
		"fields for clients": {kv{"add-headers": "else/one"}, byDefault(func(h *ir.HeaderSettings) { h.Response = []ir.NameValue{{Name: "X-A", Value: "1"}} }), nil},
		"an empty field for clients": {
			kv{"add-headers": "else/none", "hide-headers": "X-B"},
			byDefault(func(h *ir.HeaderSettings) {
				h.Hide, h.Response = []string{"X-B", "X-None"}, []ir.NameValue{{Name: "X-A", Value: "1"}}
			}), nil,
		},
		"fields for upstreams": {
			kv{"proxy-set-headers": "else/many"},
			byDefault(func(h *ir.HeaderSettings) {
				h.Request = []ir.NameValue{{Name: "X-A", Value: "1"}, {Name: "X-B", Value: "$host"}, {Name: "X-None"}}
			}),
			[]string{"proxy-set-headers", "proxy-set-headers", "proxy-set-headers", "proxy-set-headers"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			one := kv{"X-A": "1"}
			objects := featuretest.Objects{ConfigMaps: map[string]map[string]string{
				"shop/one": one, "else/one": one, "shop/host": {"host": "b.test"}, "else/many": data,
				"else/none": {"X-A": "1", "X-None": ""},
			}}
			s, out := featuretest.Configure(&Family, featuretest.Input{ConfigMap: tt.configMap, Objects: objects})
			if diff := cmp.Diff(tt.want, s.Headers); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.refused, out.Refused); diff != "" {
				t.Errorf("refused keys (-want +got):\n%s", diff)
			}
		})
	}
}
