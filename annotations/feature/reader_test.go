package feature

import (
	"reflect"
	"strings"
	"testing"
)

// keys are the declarations that most tests read with.
var keys = []Key{
	{Name: "plain", Default: "d"},
	{Name: "layered", Global: "global-layered", Default: "d"},
	{Name: "renamed", Aliases: []string{"old-name"}, Default: "d"},
	{Name: "ours", Own: true, Default: "d"},
	{Name: "guard", OnInvalid: DenyRoute},
	{Name: "reference"},
	{Name: "default-reference", Global: "global-reference"},
}

// source returns a source with both prefixes; names without a slash get nginx's prefix.
func source(annotations, globals map[string]string) *Source {
	src := &Source{
		Namespace: "shop", Prefixes: []string{YettPrefix, NginxPrefix}, Globals: globals, Annotations: map[string]string{},
	}
	for name, value := range annotations {
		if !strings.Contains(name, "/") {
			name = NginxPrefix + name
		}
		src.Annotations[name] = value
	}
	return src
}

func TestLayers(t *testing.T) {
	for name, tt := range map[string]struct {
		annotations, globals map[string]string
		key, want            string
	}{
		"the default holds when nothing is set": {key: "plain", want: "d"},
		"the ConfigMap goes before the default": {globals: map[string]string{"global-layered": "g"}, key: "layered", want: "g"},
		"the annotation goes before the ConfigMap": {
			annotations: map[string]string{"layered": "a"}, globals: map[string]string{"global-layered": "g"}, key: "layered", want: "a",
		},
		"our prefix goes before nginx's": {
			annotations: map[string]string{"plain": "nginx", YettPrefix + "plain": "yett"}, key: "plain", want: "yett",
		},
		"an empty value under our prefix counts as not set": {
			annotations: map[string]string{"plain": "nginx", YettPrefix + "plain": " "}, key: "plain", want: "nginx",
		},
		"other prefixes are not ours":   {annotations: map[string]string{"example.com/plain": "x"}, key: "plain", want: "d"},
		"an alias counts":               {annotations: map[string]string{"old-name": "a"}, key: "renamed", want: "a"},
		"but only without the name":     {annotations: map[string]string{"old-name": "a", "renamed": "n"}, key: "renamed", want: "n"},
		"also under another prefix":     {annotations: map[string]string{YettPrefix + "old-name": "a", "renamed": "n"}, key: "renamed", want: "n"},
		"our own keys count under ours": {annotations: map[string]string{YettPrefix + "ours": "a"}, key: "ours", want: "a"},
		"and not under nginx's":         {annotations: map[string]string{"ours": "a"}, key: "ours", want: "d"},
		"white space is trimmed, line by line": {
			annotations: map[string]string{"plain": " \n a  \n\t b \n"}, key: "plain", want: "a\nb",
		},
		"the ConfigMap is trimmed too":                         {globals: map[string]string{"global-layered": " g\n"}, key: "layered", want: "g"},
		"the ConfigMap's key is not read by the key's name":    {globals: map[string]string{"layered": "g"}, key: "layered", want: "d"},
		"a key without ConfigMap key is not read there at all": {globals: map[string]string{"plain": "g"}, key: "plain", want: "d"},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(source(tt.annotations, tt.globals), keys)
			if got := r.String(tt.key); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if set := r.Has(tt.key); set != (tt.want != "d") {
				t.Errorf("Has is %v", set)
			}
		})
	}
}

func TestTheConfigMapIsReadByTheNamesOfKeys(t *testing.T) {
	src := &Source{Namespace: "shop", Globals: map[string]string{"plain": "g", "global-layered": "l"}}
	r := NewReader(src, keys)
	if a, b := r.String("plain"), r.String("layered"); a != "g" || b != "l" {
		t.Errorf("%q, %q", a, b)
	}
}

func TestSettingsAreReadFromTheConfigMapAlone(t *testing.T) {
	f := Family{Keys: []Key{{Name: "key"}}, Settings: []Key{{Name: "setting", Default: "d"}}}
	for name, tt := range map[string]struct{ globals, want string }{"set": {"g", "g"}, "not set": {"", "d"}} {
		t.Run(name, func(t *testing.T) {
			src := source(map[string]string{"setting": "a"}, map[string]string{"setting": tt.globals})
			r := Open(src).Reader(f.KeySet())
			if got := r.String("setting"); got != tt.want || r.HasAnnotation("setting") || r.Present("setting") {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestPresence(t *testing.T) {
	r := NewReader(source(map[string]string{"plain": "", "old-name": "", "ours": "x"}, map[string]string{"global-layered": "g"}), keys)
	for key, want := range map[string][3]bool{ // Has, HasAnnotation, Present
		"plain": {false, false, true}, "renamed": {false, false, true}, "ours": {}, "layered": {true, false, false}, "guard": {},
	} {
		if got := [3]bool{r.Has(key), r.HasAnnotation(key), r.Present(key)}; got != want {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
}

func TestAnUndeclaredKeyPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	NewReader(source(nil, nil), keys).String("nobody")
}

func TestProblems(t *testing.T) {
	r := NewReader(source(map[string]string{"plain": strings.Repeat("ä", 100), "guard": "x"}, map[string]string{"global-layered": "g"}), keys)
	r.Refuse("plain", "no %s", "good")
	r.Remark("plain", "odd")
	if _, deny := r.Problems(); deny {
		t.Error("denied by a key that guards nothing")
	}
	r.Refuse("layered", "bad")
	r.Refuse("guard", "bad")
	shown := strings.Repeat("ä", 64) + "…"
	want := []Problem{
		{Key: "plain", Value: shown, Reason: "no good", Reject: true},
		{Key: "plain", Value: shown, Reason: "odd", Note: true},
		{Key: "global-layered", Value: "g", Reason: "bad", Global: true},
		{Key: "guard", Value: "x", Reason: "bad", Denied: true, Reject: true},
	}
	if got, deny := r.Problems(); !reflect.DeepEqual(got, want) || !deny {
		t.Errorf("%+v, %v\nwant %+v", got, deny, want)
	}
	r = NewReader(source(nil, nil), keys)
	r.Block("plain", "worse than no service")
	if got, deny := r.Problems(); !deny || !got[0].Denied {
		t.Errorf("%+v, %v", got, deny)
	}
	r = NewReader(source(map[string]string{"guard": "x"}, nil), keys)
	r.Lack("guard", "there is none")
	if got, deny := r.Problems(); !deny || got[0].Reject {
		t.Errorf("what another object lacks: %+v, %v", got, deny)
	}
}

func TestABadAnnotationFallsBackToTheConfigMap(t *testing.T) {
	declared := []Key{{Name: "n", Global: "g", Default: "1"}}
	for name, tt := range map[string]struct {
		annotation, global string
		want               int
		problems           []Problem
	}{
		"good ConfigMap": {"x", "5", 5, []Problem{{Key: "n", Value: "x", Reject: true}}},
		"bad ConfigMap":  {"x", "y", 1, []Problem{{Key: "n", Value: "x", Reject: true}, {Key: "g", Value: "y", Global: true}}},
		"no ConfigMap":   {"x", "", 1, []Problem{{Key: "n", Value: "x", Reject: true}}},
		"no annotation":  {"", "y", 1, []Problem{{Key: "g", Value: "y", Global: true}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(source(map[string]string{"n": tt.annotation}, map[string]string{"g": tt.global}), declared)
			if got := r.Int("n", 0, 9); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
			got, _ := r.Problems()
			for i := range got {
				if got[i].Reason == "" {
					t.Errorf("problem without reason: %+v", got[i])
				}
				got[i].Reason = ""
			}
			if !reflect.DeepEqual(got, tt.problems) {
				t.Errorf("problems %+v, want %+v", got, tt.problems)
			}
		})
	}
}

func TestReadingAKeyThatIsNotSetTakesNoMemory(t *testing.T) {
	sheet := Open(source(map[string]string{"other": "x"}, map[string]string{"unrelated": "x"}))
	f := Family{Keys: []Key{
		{Name: "b", Default: "true", Global: "gb"}, {Name: "n", Default: "5"}, {Name: "s", Default: "60"},
		{Name: "z", Default: "4k"}, {Name: "t", Default: "1h"}, {Name: "e", Default: "on"},
	}}
	r := sheet.Reader(f.KeySet())
	if n := testing.AllocsPerRun(100, func() {
		r.Bool("b")
		r.Int("n", 0, 10)
		r.Seconds("s")
		r.Size("z")
		r.Duration("t")
		r.OnOff("e")
		r.Matching("e", IsBasic, "letters")
		r.Enum("e", "on", "off")
		r.Has("b")
		r.Present("b")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
