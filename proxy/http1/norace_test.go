//go:build !race

package http1

// raceEnabled says that the race detector is on.
const raceEnabled = false
