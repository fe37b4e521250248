// Package clientauth is auth-tls-*: certificates that hosts ask of clients. It only reads what is written; proxy/clientcert
// does the rest, once for the host and not for each path.
//
// Package annotations imports it through the generated list; it imports annotations/feature, proxy/ir, pattern and variable.
// Everything here is immutable.
package clientauth
