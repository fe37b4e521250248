// Package ingress is the one routing reconciler: whatever changes, everything that affects routing is read
// anew from memory, translated, compiled and swapped in. There is one key and no event to branch on, so the
// result cannot depend on the order of events.
//
// The commands import it. A Publisher publishes one snapshot at a time; Publish may be called from any
// goroutine.
package ingress
