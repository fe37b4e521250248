// Package canary is the family canary*: an Ingress that takes a part of the requests of others, chosen by
// a header, a cookie or by chance. It only says what was asked for; proxy/route decides, and
// controllers/translate finds the routes that it is about.
//
// The list of families in package annotations imports it, nobody else. It holds no state.
package canary
