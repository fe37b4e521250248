// Package basicauth asks for a user and a password and compares them with a file in a Secret. For auth-type: basic that is an
// htpasswd file; every format that htpasswd and openssl write is understood. For auth-type: digest it is an htdigest file.
//
// Checking a good hash is slow on purpose, so it happens in a bounded number of places at once, and a password that
// was right is remembered for some minutes under a keyed digest. Nothing that this package prints holds a hash or
// a password.
//
// Package annotations imports it. Its filters are immutable and safe for concurrent use; what they
// remember lives in filter.State.
package basicauth
