package admission

import (
	"context"
	"fmt"
	"maps"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/controllers/translate"
)

// World is what is stored at the moment.
type World interface {
	// Watches reports whether Ingresses of a namespace are served.
	Watches(ctx context.Context, namespace string) (bool, error)
	// Tied returns the Ingresses that are tied to one, and all classes. They must only be read.
	Tied(ctx context.Context, to *networkingv1.Ingress) (*translate.Objects, error)
	// Fetch adds objects that are referred to, if they exist, and reports whether any was added.
	Fetch(ctx context.Context, references *translate.References, into *translate.Objects) (more bool, err error)
}

// Validator judges Ingresses.
type Validator struct {
	World World
	// Options are those of the translation at run time, which must not change any more.
	Options translate.Options
}

// Judgement is what is to be said about an Ingress.
type Judgement struct {
	// Refusals are the reasons to turn it down; none if it is welcome.
	Refusals []string
	// Warnings are worth knowing for whoever wrote it.
	Warnings []string
	// Ours says that the Ingress is for us; if not there is nothing to say.
	Ours bool
	// Looked is how many Ingresses were looked at.
	Looked int
}

// Judge says what would become of an Ingress. old is what it was before, or nil for a new one. An error means that nobody knows.
func (v *Validator) Judge(ctx context.Context, ing, old *networkingv1.Ingress) (*Judgement, error) {
	j := &Judgement{}
	// Whoever removes a finalizer or sets a label must not be stopped by what was written long ago.
	if ing.DeletionTimestamp != nil || old != nil && unchanged(ing, old) {
		return j, nil
	}
	watched, err := v.World.Watches(ctx, ing.Namespace)
	if err != nil || !watched {
		return j, err
	}
	before, err := v.World.Tied(ctx, ing)
	if err != nil {
		return nil, err
	}
	after := with(before, ing)
	result, err := v.translate(ctx, after)
	if err != nil {
		return nil, err
	}
	verdict := find(result, nameOf(ing))
	if verdict == nil || !verdict.Ours() {
		return j, nil
	}
	j.Ours, j.Looked = true, len(after.Ingresses)
	j.checkWriting(ing, after, &v.Options)
	for i := range verdict.Problems {
		j.add(&verdict.Problems[i])
	}
	j.try(ctx, result.Config, nameOf(ing))
	return j, v.checkTaken(ctx, j, ing, before, result)
}

// unchanged reports whether two versions of an Ingress mean the same.
func unchanged(a, b *networkingv1.Ingress) bool {
	return maps.Equal(a.Annotations, b.Annotations) && equality.Semantic.DeepEqual(&a.Spec, &b.Spec)
}

// with returns the objects with one Ingress as it is asked about.
func with(o *translate.Objects, ing *networkingv1.Ingress) *translate.Objects {
	c := *o
	c.Ingresses = append(slices.DeleteFunc(slices.Clone(o.Ingresses), func(other *networkingv1.Ingress) bool {
		return nameOf(other) == nameOf(ing)
	}), ing)
	return &c
}

// mostRounds bounds how often references are followed: the ConfigMap names others, which name nothing.
const mostRounds = 4

// translate translates objects, with everything that they refer to.
func (v *Validator) translate(ctx context.Context, o *translate.Objects) (*translate.Result, error) {
	options := v.Options
	options.Memo = nil // it remembers one world, which is that of the next rebuild
	for round := 0; ; round++ {
		result := translate.Translate(o, &options)
		more, err := v.World.Fetch(ctx, &result.References, o)
		if err != nil {
			return nil, err
		}
		if !more || round == mostRounds {
			return result, nil
		}
	}
}

// checkTaken refuses an Ingress that takes a place from another: an older one that asks for more may win against a younger one that
// has served the place so far.
func (v *Validator) checkTaken(ctx context.Context, j *Judgement, ing *networkingv1.Ingress, before *translate.Objects, after *translate.Result) error {
	var old *translate.Result
	for i := range after.Verdicts {
		loser := &after.Verdicts[i]
		for _, place := range loser.Lost {
			if place.Owner != nameOf(ing) {
				continue
			}
			if old == nil {
				var err error
				if old, err = v.translate(ctx, before); err != nil {
					return err
				}
			}
			if was := find(old, loser.Name); was != nil && !slices.ContainsFunc(was.Lost, place.Same) {
				j.refuse(feature.Problem{Key: "spec", Value: place.Host + place.Path, Reason: fmt.Sprintf(
					"Ingress %s serves this host and path, and would lose them to this one: choose others, or change that one first", loser.Name)})
			}
		}
	}
	return nil
}

// find returns the verdict on an Ingress, or nil.
func find(r *translate.Result, name types.NamespacedName) *translate.Verdict {
	for i := range r.Verdicts {
		if r.Verdicts[i].Name == name {
			return &r.Verdicts[i]
		}
	}
	return nil
}

// nameOf returns the name of an Ingress.
func nameOf(ing *networkingv1.Ingress) types.NamespacedName {
	return types.NamespacedName{Namespace: ing.Namespace, Name: ing.Name}
}
