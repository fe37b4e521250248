// Package jwt asks for JSON Web Tokens (RFC 7519, signed as RFC 7515 has it) that an issuer has signed, checks them against the
// issuer's keys, and tells the Service what they claim. An Ingress that names an issuer wants a token: nothing that goes wrong lets a
// request through. What cannot be read has no second reading: duplicate members, critical extensions and symmetric algorithms are
// refused, tokens and key sets have limits, and nothing in a token says where its key is to be found.
//
// Keys come from a Secret or are fetched, off the request path where that is possible. Tokens that were right are remembered until
// they end or the keys change, so that a signature is checked once.
//
// Package annotations imports it. Its filters are immutable and safe for concurrent use; keys and what is remembered live in
// filter.State. The only goroutine there is fetches keys, for some seconds at most, once at a time for each address.
package jwt
