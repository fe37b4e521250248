// Package compression is use-gzip, enable-brotli and their like: keys of the ConfigMap that say which responses are sent
// compressed. proxy/compress does it.
//
// Package annotations imports it through the generated list; it imports annotations/feature. Everything here is immutable.
package compression
