// Package mirror sends a copy of each request to another service and throws the answer away (mirror-target and its relatives), as
// nginx's mirror does. A client never waits for a copy and never notices what becomes of it: a copy leaves in a goroutine of its
// own once the forwarder has read the whole body, and where too many are under way, or a body is too long to be kept, there is
// none. What was not sent is counted.
//
// Package annotations imports it. The filter is immutable and safe for concurrent use; what is under way is counted in
// filter.State. Requests of routes with a mirror allocate; the others do not notice it.
package mirror
