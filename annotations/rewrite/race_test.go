//go:build race

package rewrite

// raceEnabled says that the race detector is on: it makes sync.Pool drop things at random, so that
// allocations cannot be counted.
const raceEnabled = true
