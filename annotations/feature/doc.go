// Package feature is the kit that annotation families are written with: a Family declares its keys and
// turns their text into an Intent; a Reader hands out typed values, layered over the ConfigMap and the
// defaults, and remembers what was wrong with them.
//
// Parsing code needs no error plumbing: getters never fail, they note a Problem and return the default.
// What a bad value does is declared on its Key, not decided by the family: cosmetic keys fall back to
// their default, keys that guard access deny the route (503), and everything is reported.
//
// The families import it, and so do annotations and controllers/translate. It imports the data plane's
// plain data (proxy/filter, proxy/ir, proxy/upstream) and nothing of Kubernetes. A Reader belongs to one
// goroutine.
package feature
