package endpoints

import (
	"context"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// Source reads what endpoints are built from, as it stands now.
type Source interface {
	// Service returns a Service, or nil if there is none, and its EndpointSlices.
	Service(ctx context.Context, name types.NamespacedName) (*corev1.Service, []*discoveryv1.EndpointSlice, error)
}

// Feeder publishes endpoints to the upstreams of a registry.
type Feeder struct {
	registry *upstream.Registry
	resolver *Resolver
	options  Options

	mu sync.Mutex
	// wanted are the upstreams that routes lead to, by Service.
	wanted map[types.NamespacedName][]ir.Upstream
}

// NewFeeder returns a feeder of a registry. The resolver may be nil: ExternalName Services then have no
// endpoints.
func NewFeeder(registry *upstream.Registry, resolver *Resolver, options Options) *Feeder {
	return &Feeder{registry: registry, resolver: resolver, options: options, wanted: map[types.NamespacedName][]ir.Upstream{}}
}

// Want takes over which upstreams routes lead to, and fills those that it did not know before, so that
// no table goes live with an upstream that is empty only because nobody asked yet. With all, it fills the
// others too.
func (f *Feeder) Want(ctx context.Context, source Source, upstreams []ir.Upstream, all bool) error {
	lookups, err := f.want(ctx, source, upstreams, all)
	await(ctx, lookups)
	return err
}

// want is Want without waiting for look-ups of names; it returns those that are under way.
func (f *Feeder) want(ctx context.Context, source Source, upstreams []ir.Upstream, all bool) (lookups []<-chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	wanted := make(map[types.NamespacedName][]ir.Upstream, len(f.wanted))
	for _, u := range upstreams {
		name := types.NamespacedName{Namespace: u.Key.Namespace, Name: u.Key.Service}
		wanted[name] = append(wanted[name], u)
	}
	last := f.wanted
	f.wanted = wanted
	for name, list := range wanted {
		if !all && same(last[name], list) {
			continue
		}
		more, err := f.publish(ctx, source, name)
		if err != nil {
			f.wanted = last // what was not filled is new the next time, too
			return lookups, err
		}
		lookups = append(lookups, more...)
	}
	if f.resolver != nil {
		f.resolver.retain(func(k upstream.Key) bool { return contains(wanted, k) })
	}
	return lookups, nil
}

// same reports whether the same upstreams are wanted in the same way.
func same(a, b []ir.Upstream) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Key != b[i].Key || a[i].ServiceUpstream != b[i].ServiceUpstream {
			return false
		}
	}
	return true
}

// contains reports whether an upstream is wanted.
func contains(wanted map[types.NamespacedName][]ir.Upstream, k upstream.Key) bool {
	for _, u := range wanted[types.NamespacedName{Namespace: k.Namespace, Name: k.Service}] {
		if u.Key == k {
			return true
		}
	}
	return false
}

// Update reads one Service again and publishes what it finds to the upstreams that want it.
func (f *Feeder) Update(ctx context.Context, source Source, name types.NamespacedName) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.publish(ctx, source, name)
	return err
}

// publish reads and publishes one Service, and returns the look-ups of names that it began. The lock is held.
func (f *Feeder) publish(ctx context.Context, source Source, name types.NamespacedName) (lookups []<-chan struct{}, err error) {
	wanted := f.wanted[name]
	if len(wanted) == 0 {
		return nil, nil
	}
	service, slices, err := source.Service(ctx, name)
	if err != nil {
		return nil, err
	}
	for i := range wanted {
		w := &wanted[i]
		u := f.registry.Upstream(w.Key)
		built := Build(service, slices, w, f.options)
		if built.ExternalName == "" {
			if f.resolver != nil {
				f.resolver.forget(w.Key)
			}
			u.Publish(built.Specs)
			continue
		}
		if f.resolver == nil {
			u.Publish(nil)
			continue
		}
		if first := f.resolver.follow(ctx, u, built.ExternalName, built.ExternalPort); first != nil {
			lookups = append(lookups, first)
		}
	}
	return lookups, nil
}
