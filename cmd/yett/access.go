package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/yettproxy/yett/controllers/store"
)

// A controller that is confined to a namespace may not read kinds that stand above namespaces. A cache of one of
// them would never fill, and the controller would never be ready, so each is asked for once before the caches
// start. What is refused stays unread until the next start, as in ingress-nginx.

// access is what the API server lets us read.
type access struct {
	unread store.Unread
	// caches say which namespaces are read, by kind.
	caches map[client.Object]cache.ByObject
}

// newAccess finds out. Errors other than a refusal mean that the API server is not there yet: it waits for it.
func newAccess(ctx context.Context, o *options, reader client.Reader, log logr.Logger) (*access, error) {
	a := &access{}
	for _, k := range []struct {
		name   string
		list   client.ObjectList
		unread *bool
		lost   string
	}{
		{"IngressClass", &networkingv1.IngressClassList{}, &a.unread.Classes, "spec.ingressClassName matches nothing; the annotation kubernetes.io/ingress.class does, and with --ingress-class-by-name the name of our class"},
		{"Namespace", &corev1.NamespaceList{}, &a.unread.Namespaces, "namespaces cannot be chosen by their labels"},
		{"Node", &corev1.NodeList{}, &a.unread.Nodes, "zones and addresses of nodes are unknown"},
	} {
		refused, err := refuses(ctx, reader, log, k.list)
		if err != nil {
			return nil, err
		}
		if *k.unread = refused; refused {
			log.Info("may not be read", "kind", k.name, "consequence", k.lost)
		}
	}
	if a.unread.Namespaces && o.watchNamespaceSelector != "" {
		return nil, errors.New("--watch-namespace-selector needs the right to get, list and watch namespaces")
	}
	var err error
	a.caches, err = o.caches(ctx, reader, log)
	return a, err
}

// refuses reports whether the API server forbids a list. It asks until there is an answer.
func refuses(ctx context.Context, reader client.Reader, log logr.Logger, list client.ObjectList, options ...client.ListOption) (bool, error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := reader.List(ctx, list, append(options, client.Limit(1))...)
		switch {
		case err == nil:
			return false, nil
		case apierrors.IsForbidden(err):
			return true, nil
		case ctx.Err() != nil:
			return false, fmt.Errorf("ask what may be read: %w", ctx.Err())
		}
		log.Info("API server not reached; will try again", "error", err.Error())
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// caches says which namespaces are read: all, or with --watch-namespace that one and what other flags name beyond it,
// as far as it may be read.
func (o *options) caches(ctx context.Context, reader client.Reader, log logr.Logger) (map[client.Object]cache.ByObject, error) {
	byObject := map[client.Object]cache.ByObject{}
	if o.watchNamespace == "" {
		return byObject, nil
	}
	for _, k := range []struct {
		flag, value string
		object      client.Object
		list        client.ObjectList
		// alone says that nothing but the named object is of interest, and so no right to read others is needed.
		alone bool
	}{
		// The ConfigMap names others, of any name.
		{"--configmap", o.configMap, &corev1.ConfigMap{}, &corev1.ConfigMapList{}, false},
		{"--tcp-services-configmap", o.tcpServices, &corev1.ConfigMap{}, &corev1.ConfigMapList{}, false},
		{"--udp-services-configmap", o.udpServices, &corev1.ConfigMap{}, &corev1.ConfigMapList{}, false},
		{"--default-ssl-certificate", o.defaultCertificate, &corev1.Secret{}, &corev1.SecretList{}, true},
		{"--default-backend-service", o.defaultBackend, &corev1.Service{}, &corev1.ServiceList{}, true},
		{"--default-backend-service", o.defaultBackend, &discoveryv1.EndpointSlice{}, &discoveryv1.EndpointSliceList{}, false},
	} {
		name := named(k.value)
		if k.value == "" || name.Namespace == o.watchNamespace {
			continue
		}
		beyond, options := cache.Config{}, []client.ListOption{client.InNamespace(name.Namespace)}
		if k.alone {
			beyond.FieldSelector = fields.OneTermEqualSelector("metadata.name", name.Name)
			options = append(options, client.MatchingFieldsSelector{Selector: beyond.FieldSelector})
		}
		switch refused, err := refuses(ctx, reader, log, k.list, options...); {
		case err != nil:
			return nil, err
		case refused:
			log.Info("may not be read", "flag", k.flag, "value", k.value, "consequence", "it is taken for missing")
		default:
			widen(byObject, k.object, o.watchNamespace, name.Namespace, beyond)
		}
	}
	return byObject, nil
}

// widen has objects of a kind read in one more namespace than before.
func widen(byObject map[client.Object]cache.ByObject, object client.Object, watched, namespace string, beyond cache.Config) {
	for known, read := range byObject {
		if reflect.TypeOf(known) == reflect.TypeOf(object) {
			read.Namespaces[namespace] = beyond
			return
		}
	}
	byObject[object] = cache.ByObject{Namespaces: map[string]cache.Config{watched: {}, namespace: beyond}}
}
