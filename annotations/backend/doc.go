// Package backend is the family service-upstream and default-backend: which Service answers, and by
// which of its addresses.
//
// The list of families in package annotations imports it, nobody else. It holds no state.
package backend
