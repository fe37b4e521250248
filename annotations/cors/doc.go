// Package cors is the family enable-cors and cors-*: it answers preflight requests and adds the
// Access-Control fields to every response whose request came from an allowed origin, errors and redirects
// included.
//
// The list of families in package annotations imports it, nobody else. Its filters are immutable.
//
// As in nginx preflights are answered before anything else: before the redirect to https, since a
// preflight that is redirected has failed, and before access control, since browsers send no credentials with
// them.
package cors
