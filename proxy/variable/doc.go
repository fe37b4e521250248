// Package variable compiles text with nginx variables ($host, $request_uri, $http_x, ${arg_y}, …) into
// templates that are filled from an Exchange. It is the one implementation for the access log, auth-url,
// upstream-hash-by and every value that may hold variables.
//
// A template is compiled once into a flat list of operations, each a small code in a switch; filling it
// allocates nothing. Names are case-insensitive, as in nginx. A name that nginx, its modules in
// ingress-nginx, or ingress-nginx's own configuration does not know is an error that names the nearest
// known one. Names that are known but mean nothing here ($geoip2_*, $limit_req_status, …) are accepted and
// always absent, so that log formats written for nginx compile.
//
// Differences from nginx, all on purpose: invalid UTF-8 becomes U+FFFD with EscapeJSON, so that lines are
// always valid JSON; $upstream_bytes_received is the length of the body, $upstream_bytes_sent is absent;
// $pipe is always "."; the variables of the client's certificate allocate.
//
// The families and the data plane above proxy/filter may import it; it imports proxy/wire, proxy/filter
// and proxy/upstream. A Template is immutable and safe for concurrent use.
package variable
