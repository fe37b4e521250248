// Package pattern compiles the regular expressions that users write: paths of regex hosts, server
// aliases, canary header patterns, access-log filters. It tries RE2 (regexp/syntax) first, whose run time is
// linear, and falls back to a backtracking engine with a time limit (Timeout) only for what RE2 refuses:
// look-around, back-references, atomic groups and the like, which nginx's PCRE has.
//
// RE2 expressions run in a matcher of our own (program.go), since regexp allocates for every search with
// captures. Whatever the engine, a text that does not begin as the expression does is refused by comparing
// a few bytes.
//
// Any package of the data plane and any annotation family may import it; it imports no other package of
// the project. A Pattern is immutable and safe for concurrent use. The backtracking engine keeps one
// goroutine, its clock, while it is in use and a second longer.
package pattern
