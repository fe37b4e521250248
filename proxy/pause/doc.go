// Package pause is waiting for a while, or until somebody wants it to end: for whoever drains or tries again. Anybody may import it; it
// imports only the standard library and has no state.
package pause
