// Package proxyredirect is what is changed in responses that name places behind the proxy: Location and Refresh
// (proxy-redirect-from, -to), and the attributes of cookies (proxy-cookie-domain, -path).
//
// Package annotations imports it through the generated list; it imports annotations/feature, proxy/pattern and
// proxy/variable. Everything here is immutable.
package proxyredirect
