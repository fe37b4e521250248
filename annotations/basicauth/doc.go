// Package basicauth asks for a user and a password (auth-type: basic) and compares them with the htpasswd file in a
// Secret. Every format that htpasswd and openssl write is understood.
//
// Checking a good hash is slow on purpose, so it happens in a bounded number of places at once, and a password that
// was right is remembered for some minutes under a keyed digest. Nothing that this package prints holds a hash or
// a password.
//
// Package annotations imports it. Its filters are immutable and safe for concurrent use; what they
// remember lives in filter.State.
package basicauth
