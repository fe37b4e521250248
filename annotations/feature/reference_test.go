package feature

import (
	"net/netip"
	"slices"
	"testing"
)

// objects are the objects that tests refer to.
type objects struct{}

func (objects) Secret(ns, name string) (map[string][]byte, bool) {
	return map[string][]byte{"ns": []byte(ns)}, name == "there"
}
func (objects) ConfigMap(ns, name string) (map[string]string, bool) {
	return map[string]string{"ns": ns}, name == "there"
}
func (objects) HasService(string, string) bool { return false }

func TestReferences(t *testing.T) {
	for name, tt := range map[string]struct {
		annotations, globals map[string]string
		key                  string
		cross                bool
		want                 string
		problems             int
	}{
		"a name is one of the Ingress's namespace": {annotations: map[string]string{"reference": "there"}, key: "reference", want: "shop/there"},
		"a full name":                  {annotations: map[string]string{"reference": "shop/there"}, key: "reference", want: "shop/there"},
		"another namespace is refused": {annotations: map[string]string{"reference": "bank/there"}, key: "reference", problems: 1},
		"unless it is allowed":         {annotations: map[string]string{"reference": "bank/there"}, cross: true, key: "reference", want: "bank/there"},
		"or written by the operator":   {globals: map[string]string{"global-reference": "bank/there"}, key: "default-reference", want: "bank/there"},
		"too many slashes":             {annotations: map[string]string{"reference": "shop/there/x"}, key: "reference", problems: 1},
		"no name":                      {annotations: map[string]string{"reference": "shop/"}, key: "reference", problems: 1},
		"no namespace":                 {annotations: map[string]string{"reference": "/there"}, key: "reference", problems: 1},
		"what is not there":            {annotations: map[string]string{"reference": "absent"}, key: "reference", problems: 1},
		"what is not set":              {key: "reference"},
	} {
		t.Run(name, func(t *testing.T) {
			src := source(tt.annotations, tt.globals)
			src.CrossNamespace, src.Objects = tt.cross, objects{}
			sheet := Open(src)
			f := Family{Keys: keys}
			r := sheet.Reader(f.KeySet())
			data, full, ok := r.Secret(tt.key)
			if full != tt.want || ok != (tt.want != "") {
				t.Errorf("%q, %v; want %q", full, ok, tt.want)
			}
			if ok && string(data["ns"])+"/there" != tt.want {
				t.Errorf("data of namespace %q", data["ns"])
			}
			if p, _ := r.Problems(); len(p) != tt.problems {
				t.Errorf("problems %+v", p)
			}
			if _, cm, _ := r.ConfigMap(tt.key); cm != full {
				t.Errorf("ConfigMap %q, Secret %q", cm, full)
			}
			if asked := name != "what is not set"; sheet.Consulted() != asked {
				t.Errorf("Consulted is %v", sheet.Consulted())
			}
		})
	}
}

func TestASourceWithoutObjectsHasNone(t *testing.T) {
	r := NewReader(source(map[string]string{"reference": "there"}, nil), keys)
	if _, _, ok := r.Secret("reference"); ok || r.Objects().HasService("shop", "x") {
		t.Error("found something")
	}
}

func TestNetworks(t *testing.T) {
	declared := []Key{{Name: "list", OnInvalid: DenyRoute}}
	for name, tt := range map[string]struct {
		text string
		want []string
		bad  bool
	}{
		"networks and addresses":              {text: "10.0.0.0/8, 192.0.2.1,2001:db8::/32,::1", want: []string{"10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "::1/128"}},
		"host bits are cut":                   {text: "10.1.2.3/8", want: []string{"10.0.0.0/8"}},
		"IPv4 inside IPv6 is IPv4":            {text: "::ffff:10.0.0.1, ::ffff:10.0.0.0/104", want: []string{"10.0.0.1/32", "10.0.0.0/8"}},
		"zones are cut":                       {text: "fe80::1%eth0", want: []string{"fe80::1/128"}},
		"empty parts do not count":            {text: ",10.0.0.1,,", want: []string{"10.0.0.1/32"}},
		"one bad part refuses the whole list": {text: "10.0.0.0/8,office", bad: true},
		"too long a prefix":                   {text: "10.0.0.0/33", bad: true},
		"a leading zero":                      {text: "010.0.0.1", bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(source(map[string]string{"list": tt.text}, nil), declared)
			got, ok := r.Prefixes("list")
			var want []netip.Prefix
			for _, p := range tt.want {
				want = append(want, netip.MustParsePrefix(p))
			}
			if ok == tt.bad || !slices.Equal(got, want) {
				t.Errorf("%v, %v; want %v", got, ok, want)
			}
			if _, deny := r.Problems(); deny != tt.bad {
				t.Errorf("denied %v", deny)
			}
		})
	}
}
