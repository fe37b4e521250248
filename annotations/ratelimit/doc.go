// Package ratelimit bounds what one client may ask of one Ingress: requests per second and per minute, and requests
// at the same time. It counts as nginx does (limit_req, limit_conn), for each replica by itself.
//
// Package annotations imports it. Its filters are immutable and safe for concurrent use; the counters live in
// filter.State, one set for each Ingress, and outlive tables.
package ratelimit
