package basicauth

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/filter"
)

// objects are Secrets by "namespace/name".
type objects map[string]map[string]string

var _ feature.Objects = objects{}

func (o objects) Secret(namespace, name string) (map[string][]byte, bool) {
	data, ok := o[namespace+"/"+name]
	if !ok {
		return nil, false
	}
	out := make(map[string][]byte, len(data))
	for k, v := range data {
		out[k] = []byte(v)
	}
	return out, true
}

func (objects) ConfigMap(string, string) (map[string]string, bool) { return nil, false }
func (objects) HasService(string, string) bool                     { return false }

// ha1 is the hash of anna, "the realm" and her password.
const ha1 = "0123456789abcdef0123456789abcdef"

// secrets are what the tests have.
var secrets = objects{
	"ns/users":     {"auth": "anna:{PLAIN}a\n"},
	"ns/map":       {"anna": "{PLAIN}a", "bert": "{PLAIN}b"},
	"ns/mixed":     {"auth": "anna:{PLAIN}a\nbert:hunter2hunter2\ncleo\n"},
	"ns/empty":     {"auth": ""},
	"ns/keyless":   {"users": "anna:{PLAIN}a"},
	"ns/digest":    {"auth": "anna:the realm:" + ha1 + "\r\nbert:other:" + ha1 + "\nhunter2hunter2\n"},
	"ns/digestmap": {"anna": "the realm:" + ha1, "bert": "the realm:hunter2hunter2"},
	"ns/garbage":   {"auth": "\x00\x01\x02 not a file of users"},
	"other/users":  {"auth": "root:{PLAIN}r\n"},
}

// read applies the family to an Ingress. Annotations without a prefix get nginx's.
func read(t *testing.T, annotations, globals map[string]string) (*feature.Intent, []feature.Problem, bool) {
	t.Helper()
	src := &feature.Source{
		Namespace: "ns", Annotations: map[string]string{}, Globals: globals, Objects: secrets,
		Prefixes: []string{feature.YettPrefix, feature.NginxPrefix}, CrossNamespace: globals["cross"] != "",
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
	const acme = "/.well-known/acme-challenge"
	users := func(realm, secret, file string) []filter.Spec {
		return []filter.Spec{Conceal{acme}, Spec{realm, secret, Credentials(file), acme}}
	}
	for name, c := range map[string]struct {
		annotations, globals set
		want                 []filter.Spec
		deny                 bool
		problems             []string
	}{
		"nothing set": {},
		"a file": {
			annotations: set{"auth-type": "basic", "auth-secret": "users", "auth-realm": "Members only"},
			want:        users("Members only", "ns/users", "anna:{PLAIN}a\n"),
		},
		"our prefix": {
			annotations: set{feature.YettPrefix + "auth-type": "basic", feature.YettPrefix + "auth-secret": "ns/users", "auth-secret": "nonsense"},
			want:        users("", "ns/users", "anna:{PLAIN}a\n"),
		},
		"a map": {
			annotations: set{"auth-type": "Basic", "auth-secret": "map", "auth-secret-type": "auth-map"},
			want:        users("", "ns/map", "anna:{PLAIN}a\nbert:{PLAIN}b\n"),
		},
		"a realm that nginx takes for a switch": {
			annotations: set{"auth-type": "basic", "auth-secret": "users", "auth-realm": "off"},
			want:        users("off", "ns/users", "anna:{PLAIN}a\n"),
		},
		"a realm with more than letters": {
			annotations: set{"auth-type": "basic", "auth-secret": "users", "auth-realm": `"quoted" \ back!`},
			want:        users(`"quoted" \ back!`, "ns/users", "anna:{PLAIN}a\n"),
		},
		"exceptions of the ConfigMap": {
			annotations: set{"auth-type": "basic", "auth-secret": "users"}, globals: set{"no-auth-locations": "/a, /b"},
			want: []filter.Spec{Conceal{"/a,/b"}, Spec{"", "ns/users", "anna:{PLAIN}a\n", "/a,/b"}},
		},
		"exceptions are not annotations": {
			annotations: set{"auth-type": "basic", "auth-secret": "users", "no-auth-locations": "/"},
			want:        users("", "ns/users", "anna:{PLAIN}a\n"),
		},
		"bad lines keep only their users out": {
			annotations: set{"auth-type": "basic", "auth-secret": "mixed"},
			want:        users("", "ns/mixed", secrets["ns/mixed"]["auth"]),
			problems:    []string{"Secret ns/mixed: line 2 is not a hash", "Secret ns/mixed: line 3 has no colon"},
		},
		"another namespace, if it is allowed": {
			annotations: set{"auth-type": "basic", "auth-secret": "other/users"}, globals: set{"cross": "true"},
			want: users("", "other/users", "root:{PLAIN}r\n"),
		},
		"another namespace":            {annotations: set{"auth-type": "basic", "auth-secret": "other/users"}, deny: true, problems: []string{"another namespace"}},
		"a way out of the namespace":   {annotations: set{"auth-type": "basic", "auth-secret": "../../other/users"}, deny: true, problems: []string{"not a reference"}},
		"three parts":                  {annotations: set{"auth-type": "basic", "auth-secret": "a/b/c"}, deny: true, problems: []string{"not a reference"}},
		"no Secret named":              {annotations: set{"auth-type": "basic"}, deny: true, problems: []string{"auth-type needs it"}},
		"an empty Secret name":         {annotations: set{"auth-type": "basic", "auth-secret": ""}, deny: true, problems: []string{"auth-type needs it"}},
		"a Secret that is not there":   {annotations: set{"auth-type": "basic", "auth-secret": "missing"}, deny: true, problems: []string{"there is no Secret ns/missing"}},
		"a Secret without the key":     {annotations: set{"auth-type": "basic", "auth-secret": "keyless"}, deny: true, problems: []string{`no key "auth"`}},
		"an empty file":                {annotations: set{"auth-type": "basic", "auth-secret": "empty"}, deny: true, problems: []string{"nobody could log in"}},
		"garbage":                      {annotations: set{"auth-type": "basic", "auth-secret": "garbage"}, deny: true, problems: []string{"line 1 has no colon", "nobody could log in"}},
		"a map that is a file":         {annotations: set{"auth-type": "basic", "auth-secret": "users", "auth-secret-type": "auth-map"}, deny: true, problems: []string{`key "auth" is not a hash`, "nobody could log in"}},
		"an unknown form":              {annotations: set{"auth-type": "basic", "auth-secret": "users", "auth-secret-type": "ldap"}, deny: true, problems: []string{"auth-file, auth-map"}},
		"digest with an htpasswd file": {annotations: set{"auth-type": "digest", "auth-secret": "users"}, deny: true, problems: []string{"line 1 holds a password hash", "nobody could log in"}},
		"digest for another realm":     {annotations: set{"auth-type": "digest", "auth-secret": "digest"}, deny: true, problems: []string{"line 3 is no line", "no line is for the realm"}},
		"digest": {
			annotations: set{"auth-type": "Digest", "auth-secret": "digest", "auth-realm": "the realm"},
			want:        []filter.Spec{Conceal{acme}, DigestSpec{"the realm", "ns/digest", Credentials(secrets["ns/digest"]["auth"]), acme}},
			problems:    []string{"line 3 is no line of an htdigest file"},
		},
		"digest with a map": {
			annotations: set{"auth-type": "digest", "auth-secret": "digestmap", "auth-secret-type": "auth-map", "auth-realm": "the realm"},
			want:        []filter.Spec{Conceal{acme}, DigestSpec{"the realm", "ns/digestmap", "anna:the realm:" + ha1 + "\n", acme}},
			problems:    []string{`key "bert" has no hash`},
		},
		"an unknown type":             {annotations: set{"auth-type": "foo", "auth-secret": "users"}, deny: true, problems: []string{"unknown value"}},
		"an empty type":               {annotations: set{"auth-type": "", "auth-secret": "users"}, deny: true, problems: []string{"it is empty"}},
		"a Secret without type":       {annotations: set{"auth-secret": "users"}, problems: []string{"does nothing without auth-type"}},
		"a realm with a line feed":    {annotations: set{"auth-type": "basic", "auth-secret": "users", "auth-realm": "a\nSet-Cookie: b"}, deny: true, problems: []string{"printable ASCII"}},
		"a realm that is not ASCII":   {annotations: set{"auth-type": "basic", "auth-secret": "users", "auth-realm": "Zugang für alle"}, deny: true, problems: []string{"printable ASCII"}},
		"the ConfigMap sets no types": {globals: set{"auth-type": "basic", "auth-secret": "users"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, problems, deny := read(t, c.annotations, c.globals)
			if deny != c.deny {
				t.Errorf("deny %v, want %v", deny, c.deny)
			}
			if !deny && fmt.Sprintf("%q", revealed(out.Filters)) != fmt.Sprintf("%q", revealed(c.want)) {
				t.Errorf("filters %q, want %q", revealed(out.Filters), revealed(c.want))
			}
			if len(problems) != len(c.problems) {
				t.Fatalf("problems %+v, want %q", problems, c.problems)
			}
			for i, p := range problems {
				if !strings.Contains(p.Reason, c.problems[i]) {
					t.Errorf("problem %q, want %q", p.Reason, c.problems[i])
				}
				if strings.Contains(p.Reason+p.Value, "hunter2") || strings.Contains(p.Reason+p.Value, "PLAIN}a") {
					t.Errorf("problem %+v shows a password", p)
				}
			}
		})
	}
}

// revealed returns specs with what they hide.
func revealed(specs []filter.Spec) (list []string) {
	for _, s := range specs {
		text := s.String()
		switch s := s.(type) {
		case Spec:
			text += " " + string(s.Users) + " except " + s.Except
		case DigestSpec:
			text += " " + string(s.Users) + " except " + s.Except
		}
		list = append(list, text)
	}
	return list
}

func TestManyBadLinesAreCounted(t *testing.T) {
	file := "anna:{PLAIN}a\n" + strings.Repeat("x\n", 50)
	secrets := objects{"ns/s": {"auth": file}}
	in := feature.Open(&feature.Source{
		Namespace: "ns", Prefixes: []string{feature.NginxPrefix}, Objects: secrets,
		Annotations: map[string]string{feature.NginxPrefix + "auth-type": "basic", feature.NginxPrefix + "auth-secret": "s"},
	}).Reader(Family.KeySet())
	Family.Apply(in, feature.NewIntent())
	problems, deny := in.Problems()
	if deny || len(problems) != maxShown+1 || !strings.Contains(problems[maxShown].Reason, "40 more users") {
		t.Errorf("deny %v, %d problems, the last %+v", deny, len(problems), problems[len(problems)-1])
	}
}

func TestSpecsDoNotShowPasswords(t *testing.T) {
	s := Spec{Realm: "r", Secret: "ns/users", Users: "anna:{PLAIN}hunter2\n"}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{string(text), fmt.Sprintf("%v %+v %#v %s %q", s, s, s, s, s), fmt.Sprintf("%#v %s", s.Users, s.Users)} {
		if strings.Contains(got, "hunter2") {
			t.Errorf("%s shows the password", got)
		}
	}
	if s != (Spec{Realm: "r", Secret: "ns/users", Users: "anna:{PLAIN}hunter2\n"}) {
		t.Error("equal specs are not equal")
	}
}
