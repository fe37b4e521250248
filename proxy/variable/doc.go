// Package variable compiles text with nginx variables ($host, $request_uri, $http_x, ${arg_y}, …) into
// templates that are filled from an Exchange. It is the one implementation for the access log, auth-url,
// upstream-hash-by and every value that may hold variables.
//
// The families and the data plane above proxy/filter may import it; it imports proxy/wire, proxy/filter
// and proxy/upstream. A Template is immutable and safe for concurrent use.
package variable
