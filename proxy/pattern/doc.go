// Package pattern compiles the regular expressions that users write: paths of regex hosts, server
// aliases, canary header patterns, access-log filters. It tries RE2 (regexp) first, whose run time is linear, and
// falls back to a backtracking engine with a time limit only for what RE2 refuses: look-around and
// back-references, which nginx's PCRE has.
//
// Any package of the data plane and any annotation family may import it; it imports no other package of
// the project. A Pattern is immutable and safe for concurrent use.
package pattern
