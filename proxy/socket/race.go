//go:build race

package socket

// raceEnabled says that the race detector is on.
const raceEnabled = true
