//go:build race

package http2

// raceEnabled says that the race detector is on.
const raceEnabled = true
