// Package cidr is a set of networks that is asked whether it holds an address: access lists, addresses that
// limits do not count, trusted proxies.
//
// Anybody may import it; it imports no other package of the project. A Set is immutable and safe for
// concurrent use; asking it does not allocate.
package cidr
