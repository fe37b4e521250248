// Package guard holds the operator's rules about what annotations may say at all: how risky a key may be, which
// words no value may hold, whether other namespaces may be named, whether snippets are wanted.
//
// Package annotations applies the rules before any family sees a value; the families themselves need not know
// them. It imports only annotations/feature. Rules are plain data; Read is safe for concurrent use as far as its Reader is.
package guard
