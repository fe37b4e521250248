// Package extauth asks an authorization service about every request (auth-url and its relatives), as nginx's
// auth_request does: 2xx lets the request go on, 401 and 403 are passed on, 401 may become a redirect to a sign-in page,
// and everything else, no answer included, is 500. Nothing that goes wrong lets a request through.
//
// The service sees the client's fields, but never a client's idea of what the proxy has to say (X-Original-URL,
// X-Forwarded-For, …). What it says about the user (auth-response-headers) reaches the upstream instead of what the
// client wrote, always.
//
// Package annotations imports it. Its filters are immutable and safe for concurrent use; remembered answers live in
// filter.State. Unlike other filters they do I/O and allocate.
package extauth
