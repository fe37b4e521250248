// Package socket reads and writes the TCP sockets of package net with bare system calls. The sockets do not
// block, so a small read or write returns at once and need not tell the scheduler about a system call: that
// saves what telling costs. Large ones copy for long enough that the scheduler should know. Under the race
// detector everything goes the long way, which it can see.
//
// Bytes go by send and recv, not by write and read: on sockets both do the same, but write and read come through
// the file layer of the kernel, which costs 0.1 µs a call on top of some 3.
//
// The descriptors are those that a syscall.RawConn hands to its callbacks, and the functions are meant to be called
// there: waiting is the poller's affair. Packages proxy/http1, proxy/listen and proxy/tunnel may import it; it
// imports nothing of ours. It has no state; any goroutine may call it.
package socket
