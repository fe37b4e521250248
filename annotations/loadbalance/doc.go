// Package loadbalance is the family load-balance and upstream-hash-by*: how the endpoints of an upstream
// are chosen. It only says what was asked for; proxy/upstream chooses.
//
// The list of families in package annotations imports it, nobody else. It holds no state.
package loadbalance
