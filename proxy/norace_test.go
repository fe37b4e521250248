//go:build !race

package proxy

// raceEnabled says that the race detector is on.
const raceEnabled = false
