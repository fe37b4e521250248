// Package lru is a bounded table that forgets what was used longest ago. Filters keep in it what they know
// about clients and credentials: an attacker can fill it, but not the memory of the process.
//
// Anybody may import it; it imports only the standard library. A Table is safe for concurrent use: it is cut into
// shards with a lock each, so that cores seldom meet. Finding, using and replacing entries does not
// allocate once a shard has grown to its size.
package lru
