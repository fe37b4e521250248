// Package featuretest helps to test families: it applies a family to annotations, configures with it,
// and makes exchanges for filters, all as the real thing does it.
//
// Only tests import it. Nothing in it is safe for concurrent use.
package featuretest
