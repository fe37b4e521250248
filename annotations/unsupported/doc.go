// Package unsupported declares what ingress-nginx has and Yett does not, so that nobody finds out in production: keys that
// are not there yet, and keys that have nothing to do in a proxy which is not nginx. All are accepted and reported;
// those that guard access deny what they guard.
//
// A family that implements a key takes it over by removing it here; a test of package annotations finds keys that are
// declared twice, and keys of ingress-nginx that nobody declares.
//
// Package annotations imports it through the generated list; it imports annotations/feature. Everything here is immutable.
package unsupported
