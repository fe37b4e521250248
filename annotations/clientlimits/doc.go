// Package clientlimits is what clients may send and how long they may take, and how connections to endpoints are kept:
// ConfigMap keys that hold for the whole process. There are no annotations here.
//
// Package annotations imports it through the generated list; it imports annotations/feature and proxy/ir. Everything here is
// immutable.
package clientlimits
