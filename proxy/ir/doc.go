// Package ir is the desired state of the data plane as plain, printable, comparable data: what
// controllers/translate makes out of Kubernetes objects, and what proxy/route compiles into a table.
//
// It holds no behaviour beyond defaults and printing, knows nothing of Kubernetes, and must stay such
// that two Configs made from the same objects compare equal. A Config is immutable once handed over.
package ir
