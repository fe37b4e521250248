// Package accesslog is the annotation enable-access-log and the ConfigMap keys of the access log: what
// is written for a finished request, and where. proxy/observe writes it.
//
// The list of families in package annotations imports it, nobody else. It holds no state.
package accesslog
