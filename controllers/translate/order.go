package translate

// Everything that two Ingresses may disagree about is decided by their order: older first, and of the same
// second the one whose "namespace/name" is the greater text. The latter is what ingress-nginx does, so that
// a cluster which switches keeps its winners. The order is total, so the result cannot depend on the
// order in which a cache hands objects out.

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

// candidate is an Ingress with its place in the order.
type candidate struct {
	ing *networkingv1.Ingress
	// key is "namespace/name".
	key string
	// created is the creationTimestamp in seconds.
	created int64
}

// inOrder returns the Ingresses that are not nil, oldest first.
func inOrder(list []*networkingv1.Ingress) []candidate {
	sorted := make([]candidate, 0, len(list))
	for _, ing := range list {
		if ing != nil {
			sorted = append(sorted, candidate{ing, ing.Namespace + "/" + ing.Name, ing.CreationTimestamp.Unix()})
		}
	}
	slices.SortFunc(sorted, func(a, b candidate) int {
		if c := cmp.Compare(a.created, b.created); c != 0 {
			return c
		}
		if c := strings.Compare(b.key, a.key); c != 0 {
			return c
		}
		return compareTwins(a.ing, b.ing)
	})
	return sorted
}

// compareTwins orders two Ingresses of the same age and name. An API server never has such; files may.
func compareTwins(a, b *networkingv1.Ingress) int {
	if c := strings.Compare(string(a.UID), string(b.UID)); c != 0 {
		return c
	}
	textA, _ := json.Marshal(a)
	textB, _ := json.Marshal(b)
	return strings.Compare(string(textA), string(textB))
}

// ranksByName returns the place of each candidate in the order of verdicts, which is that of the text
// "namespace/name"; twins keep their order and so are neighbours.
func ranksByName(sorted []candidate) []int {
	byName := make([]int, len(sorted))
	for i := range byName {
		byName[i] = i
	}
	slices.SortFunc(byName, func(a, b int) int {
		if c := strings.Compare(sorted[a].key, sorted[b].key); c != 0 {
			return c
		}
		return a - b
	})
	ranks := make([]int, len(sorted))
	for rank, i := range byName {
		ranks[i] = rank
	}
	return ranks
}
