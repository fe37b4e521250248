package annotations

import (
	"fmt"
	"slices"
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/guard"
	"github.com/yettproxy/yett/proxy/ir"
)

// Catalogue is a set of families and every key that they declare. It is immutable.
type Catalogue struct {
	families []family
	rules    *feature.KeySet
	// annotations finds keys by name and by alias; settings by the name they have in the ConfigMap.
	annotations, settings map[string]*feature.Key
	// annotationNames and settingNames are the keys of those maps, sorted.
	annotationNames, settingNames []string
}

// family is a family with its keys ready to be looked up.
type family struct {
	feature.Family
	keys *feature.KeySet
}

// NewCatalogue returns the catalogue of some families.
func NewCatalogue(families []feature.Family) *Catalogue {
	c := &Catalogue{
		rules:       guard.Family.KeySet(),
		annotations: make(map[string]*feature.Key), settings: make(map[string]*feature.Key),
	}
	for _, f := range families {
		c.families = append(c.families, family{Family: f, keys: f.KeySet()})
		for i := range f.Keys {
			c.addAnnotation(&f.Keys[i])
		}
		for i := range f.Settings {
			c.settings[f.Settings[i].Name] = &f.Settings[i]
		}
	}
	for name := range c.annotations {
		c.annotationNames = append(c.annotationNames, name)
	}
	for name := range c.settings {
		c.settingNames = append(c.settingNames, name)
	}
	slices.Sort(c.annotationNames)
	slices.Sort(c.settingNames)
	return c
}

// addAnnotation enters a key under all its names.
func (c *Catalogue) addAnnotation(k *feature.Key) {
	c.annotations[k.Name] = k
	for _, alias := range k.Aliases {
		c.annotations[alias] = k
	}
	if k.Global == "" {
		return
	}
	if _, ok := c.settings[k.Global]; !ok {
		c.settings[k.Global] = k
	}
}

// Apply is the function Apply for the families of the catalogue.
func (c *Catalogue) Apply(src *feature.Source) (*feature.Intent, []feature.Problem) {
	rules := c.readRules(src.Globals)
	return c.apply(c.open(src, &rules), &rules)
}

// RulesOf reads the operator's rules out of the data of the controller's ConfigMap.
func RulesOf(globals map[string]string) guard.Rules { return all.readRules(globals) }

// readRules reads the operator's rules. Mistakes in them are reported by Configure.
func (c *Catalogue) readRules(globals map[string]string) guard.Rules {
	return guard.Read(feature.OpenConfigMap(&feature.Source{Globals: globals}).Reader(c.rules))
}

// open reads the annotations of an Ingress under the rules.
func (c *Catalogue) open(src *feature.Source, rules *guard.Rules) *feature.Sheet {
	if rules.CrossNamespace && !src.CrossNamespace {
		free := *src
		free.CrossNamespace = true
		src = &free
	}
	return feature.Open(src)
}

// apply runs all families over one Ingress.
func (c *Catalogue) apply(sheet *feature.Sheet, rules *guard.Rules) (*feature.Intent, []feature.Problem) {
	intent := feature.NewIntent()
	intent.CrossNamespace = rules.CrossNamespace
	problems := c.screen(sheet, rules)
	for i := range c.families {
		for _, p := range c.families[i].apply(sheet, intent) {
			if !p.Global || p.Denied {
				problems = append(problems, p)
			}
		}
	}
	for _, p := range problems {
		if p.Denied && intent.Deny == 0 {
			intent.Deny, intent.DenyReason = 503, p.Key+": "+p.Reason
		}
	}
	return intent, problems
}

// apply runs one family over one Ingress.
func (f *family) apply(sheet *feature.Sheet, intent *feature.Intent) (problems []feature.Problem) {
	if f.Apply == nil {
		return nil
	}
	defer f.contain(&problems)
	in := sheet.Reader(f.keys)
	f.Apply(in, intent)
	problems, _ = in.Problems()
	return problems
}

// configure runs one family over the ConfigMap: first its Apply, as an Ingress without annotations would see
// it, so that bad defaults are found once and here; then its Configure.
func (f *family) configure(src *feature.Source, out *ir.Settings) (problems []feature.Problem) {
	defer f.contain(&problems)
	bare := *src
	bare.Annotations = nil
	for _, p := range f.apply(feature.Open(&bare), feature.NewIntent()) {
		if p.Global || p.Denied {
			problems = append(problems, p)
		}
	}
	if f.Configure == nil {
		return problems
	}
	in := feature.OpenConfigMap(&bare).Reader(f.keys)
	f.Configure(in, out)
	found, _ := in.Problems()
	return append(problems, found...)
}

// contain turns a panic of a family into a problem: a bug of ours that one odd value brings out must not
// stop the process, nor may the Ingress be served half understood.
func (f *family) contain(problems *[]feature.Problem) {
	if cause := recover(); cause != nil {
		*problems = append(*problems, feature.Problem{
			Key: f.Name, Denied: true, Reject: true,
			Reason: feature.Shown(fmt.Sprintf("internal error, please report it: %v", cause)),
		})
	}
}

// Configure is the function Configure for the families of the catalogue.
func (c *Catalogue) Configure(src *feature.Source) (ir.Settings, []feature.Problem) {
	settings := ir.DefaultSettings()
	var problems []feature.Problem
	add := func(list []feature.Problem) {
		for _, p := range list {
			if p.Global = true; !slices.Contains(problems, p) {
				problems = append(problems, p)
			}
		}
	}
	add(c.screenSettings(src.Globals))
	for i := range c.families {
		add(c.families[i].configure(src, &settings))
	}
	slices.SortStableFunc(problems, func(a, b feature.Problem) int { return strings.Compare(a.Key, b.Key) })
	return settings, problems
}
