package http2

import (
	"testing"
	"time"
	"unsafe"
)

// TestAConnectionFitsIntoASizeOfTheAllocator holds what buffer.go says of smallSize: a few bytes more would cost 256.
func TestAConnectionFitsIntoASizeOfTheAllocator(t *testing.T) {
	if size := unsafe.Sizeof(conn{}); size > 2<<10 {
		t.Errorf("a conn has %d bytes, want at most 2048", size)
	}
}

// TestIdleConnectionsAreSmall measures what a connection keeps that has carried a request. Most of it is the stack of its
// goroutine, 8 KB; then come the table of HPACK and the buffer for reading, 1 KB each.
func TestIdleConnectionsAreSmall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes everything larger")
	}
	const n, bar = 500, 12 << 10
	r := newRig(t)
	list := make([]*client, n)
	for i := range list {
		list[i] = r.dial()
	}
	time.Sleep(50 * time.Millisecond) // for goroutines to come to rest: what is left is measured
	for i, c := range list {
		c.alive(1)
		list[i] = &client{nc: c.nc}
	}
	await(t, "all idle", func() bool { return r.watch.idle.Load() == 2*n })
	with := heapAfter()
	for _, c := range list {
		c.nc.Close()
	}
	await(t, "all closed", func() bool {
		for i := range r.srv.shards {
			sh := &r.srv.shards[i]
			sh.mu.Lock()
			open := len(sh.conns)
			sh.mu.Unlock()
			if open > 0 {
				return false
			}
		}
		return true
	})
	without := heapAfter()
	t.Logf("%d bytes a connection, goroutine included", (int64(with)-int64(without))/n)
	if each := (int64(with) - int64(without)) / n; each > bar {
		t.Errorf("an idle connection keeps %d bytes, want at most %d", each, bar)
	}
}
