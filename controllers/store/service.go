package store

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Service returns what the endpoints of one Service are built from; service is nil if there is none. It never
// fails.
func (s *Snapshot) Service(_ context.Context, name types.NamespacedName) (*corev1.Service, []*discoveryv1.EndpointSlice, error) {
	return s.Services[name], s.Slices[name], nil
}
