// Package store is the impure shell around the pure core: it fills translate.Objects, either from the
// caches of a manager in a cluster or from manifest files, and tells when they changed. What comes after
// it is the same for both.
//
// The other controllers and the commands import it. Objects that it hands out are shared with caches and
// must only be read. A Files belongs to one goroutine, except for Watch.
package store
