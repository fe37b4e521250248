// Package arch holds the rules of the code base that the compiler does not know, as a test: which package may import
// which, what the data plane must not know, what no package may have. Run it with -count=1, since Go's test cache
// does not see the packages that it looks at as inputs.
//
// Nothing imports it. Concurrency: none.
package arch
