// Package redirect is the family of redirects: to https (ssl-redirect, force-ssl-redirect), to wherever
// the owner of an Ingress says (temporal-redirect, permanent-redirect), and those of whole hosts
// (from-to-www-redirect, app-root), which the handler answers itself.
//
// The list of families in package annotations imports it, nobody else. Its filters are immutable.
//
// Order within a request: https first, then temporal, then permanent. ingress-nginx answers the latter two before
// it goes to https, since its https redirect runs in Lua at the end of nginx's rewrite phase; HSTS needs it the other way
// round.
package redirect
