// Package affinity is the family affinity*, session-cookie-*: clients that stay with the endpoint they
// got first, by a cookie. It only says what was asked for; proxy/upstream picks and proxy/forward writes the cookie.
//
// The list of families in package annotations imports it, nobody else. It holds no state.
package affinity
