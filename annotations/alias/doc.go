// Package alias is the annotation server-alias: further names of a host.
//
// The list of families in package annotations imports it, nobody else. It holds no state.
package alias
