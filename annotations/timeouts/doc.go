// Package timeouts is how long the proxy waits for an endpoint: proxy-connect-timeout, proxy-read-timeout and
// proxy-send-timeout.
//
// Package annotations imports it through the generated list; it imports annotations/feature. Everything here is immutable.
package timeouts
