//go:build race

package basicauth

// raceEnabled says that the race detector is on: crypto/rand allocates then, so that
// allocations cannot be counted.
const raceEnabled = true
