package annotations

import (
	"fmt"
	"reflect"
	"sync"
	"testing"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/filter"
)

// counting returns a catalogue that counts how often it is applied.
func counting(calls *int) *Catalogue {
	return NewCatalogue([]feature.Family{{
		Name: "counting",
		Keys: []feature.Key{{Name: "plain", Global: "plain"}, {Name: "secret"}},
		Apply: func(in *feature.Reader, out *feature.Intent) {
			*calls++
			out.Rewrite = in.String("plain")
			if data, _, ok := in.Secret("secret"); ok {
				out.DefaultBackend = string(data["x"])
			}
			out.Filters = append(make([]filter.Spec, 0, 4), nil)
		},
	}})
}

// changing is a Secret whose content changes.
type changing struct {
	objects
	content string
}

func (c *changing) Secret(string, string) (map[string][]byte, bool) {
	return map[string][]byte{"x": []byte(c.content)}, true
}

func TestAnApplierAppliesEqualAnnotationsOnce(t *testing.T) {
	calls := 0
	a := newApplier(counting(&calls))
	a.Begin(nil)
	for i := range 10 {
		intent, _ := a.Apply(ingress(map[string]string{"plain": fmt.Sprint(i % 2)}))
		if intent.Rewrite != fmt.Sprint(i%2) {
			t.Fatalf("Ingress %d got %q", i, intent.Rewrite)
		}
		intent.Rewrite, intent.Deny = "changed by the caller", 403
		intent.Filters = append(intent.Filters, nil)
	}
	if calls != 2 {
		t.Errorf("applied %d times", calls)
	}
	a.Begin(map[string]string{})
	a.Apply(ingress(map[string]string{"plain": "1"}))
	if calls != 2 {
		t.Error("applied again in the next rebuild")
	}
	a.Begin(nil)
	a.Apply(ingress(map[string]string{"plain": "0"}))
	if calls != 3 {
		t.Error("remembered what the last rebuild did not use")
	}
}

func TestAnApplierForgetsWhenTheConfigMapChanges(t *testing.T) {
	calls := 0
	a := newApplier(counting(&calls))
	for _, value := range []string{"a", "b"} {
		a.Begin(map[string]string{"plain": value})
		if intent, _ := a.Apply(ingress(nil, "plain", value)); intent.Rewrite != value {
			t.Errorf("%q with a ConfigMap that says %q", intent.Rewrite, value)
		}
	}
	a.Begin(map[string]string{"annotations-risk-level": "nonsense"})
	if a.rules.MaxRisk != feature.Low {
		t.Error("the rules are those of the last ConfigMap")
	}
}

func TestAnApplierDoesNotRememberWhatDependsOnObjects(t *testing.T) {
	calls := 0
	a := newApplier(counting(&calls))
	secret := &changing{}
	for _, secret.content = range []string{"old", "new"} {
		a.Begin(nil)
		src := ingress(map[string]string{"secret": "x"})
		src.Objects = secret
		if intent, _ := a.Apply(src); intent.DefaultBackend != secret.content {
			t.Errorf("%q with a Secret that says %q", intent.DefaultBackend, secret.content)
		}
	}
}

func TestAnApplierTellsPrefixesAndLengthsApart(t *testing.T) {
	seen := map[string]int{}
	for i, m := range []map[string]string{
		{}, {"a": "b"}, {feature.YettPrefix + "a": "b"}, {"ab": ""}, {"a": "b", feature.YettPrefix + "a": "b"}, {"a": "bc"}, {"ab": "c"}, {"a": "", "b": ""},
	} {
		key := string(appendKey(nil, feature.Open(ingress(m))))
		if j, ok := seen[key]; ok {
			t.Errorf("lists %d and %d look the same", j, i)
		}
		seen[key] = i
	}
}

func TestAnApplierSaysWhatApplySays(t *testing.T) {
	a := NewApplier()
	for range 2 {
		a.Begin(map[string]string{"proxy-read-timeout": "x"})
		for _, name := range all.annotationNames {
			for _, value := range seeds[:20] {
				src := ingress(map[string]string{name: value}, "proxy-read-timeout", "x")
				src.Objects = objects{}
				want, wantProblems := Apply(src)
				got, gotProblems := a.Apply(src)
				if !same(got, want) || !reflect.DeepEqual(gotProblems, wantProblems) {
					t.Fatalf("%s: %s: %s %+v, want %s %+v", name, value, describe(got), gotProblems, describe(want), wantProblems)
				}
			}
		}
	}
}

func BenchmarkApplier(b *testing.B) {
	src := ingress(map[string]string{
		"ssl-redirect": "true", "proxy-body-size": "8m", "proxy-read-timeout": "300", "enable-cors": "true", "rewrite-target": "/$1",
	})
	a := NewApplier()
	a.Begin(src.Globals)
	b.ReportAllocs()
	for b.Loop() {
		a.Apply(src)
	}
}

func TestApplyIsSafeForConcurrentUse(t *testing.T) {
	src := ingress(map[string]string{"proxy-body-size": "x", "enable-cors": "true", "server-alias": "b.test", "proxy-body-sise": "1m"}, "ssl-redirect", "x")
	want, wantProblems := Apply(src)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				got, problems := Apply(src)
				if !same(got, want) || !reflect.DeepEqual(problems, wantProblems) {
					t.Errorf("%s %+v, want %s %+v", describe(got), problems, describe(want), wantProblems)
				}
				Configure(src)
			}
		})
	}
	wg.Wait()
}
