//go:build race

package pattern

// raceEnabled says that sync.Pool drops things at random, so that allocations cannot be counted.
const raceEnabled = true
