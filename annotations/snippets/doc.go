// Package snippets is the annotations and ConfigMap keys that hold raw nginx configuration. Nothing of it is ever
// executed; what it holds is reported directive by directive, with the annotation that does the same.
//
// Package annotations imports it through the generated list; it imports annotations/feature. Everything here is immutable.
package snippets
