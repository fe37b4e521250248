// Package body is the sizes of requests and responses: proxy-body-size, proxy-buffer-size, and the buffering
// that a streaming proxy has no use for.
//
// Package annotations imports it through the generated list; it imports annotations/feature. Everything here is immutable.
package body
