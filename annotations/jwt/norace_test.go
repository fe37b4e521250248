//go:build !race

package jwt

// raceEnabled says that the race detector makes everything slow.
const raceEnabled = false
