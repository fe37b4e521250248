package http1

import "sync"

// Sizes of the buffers, in bytes. A small one holds an ordinary head on its way out; one for requests holds an ordinary
// head with a short body behind it, so that both come with one read; a large one holds the longest head that the
// default limits allow, and pieces of bodies.
const (
	smallSize   = 4 << 10
	requestSize = 16 << 10
	largeSize   = 32 << 10
)

type (
	smallBuffer   [smallSize]byte
	requestBuffer [requestSize]byte
	largeBuffer   [largeSize]byte
)

// The pools are memory and nothing else: nothing can be seen through them.
var (
	smallBuffers = sync.Pool{New: func() any { return new(smallBuffer) }}
	largeBuffers = sync.Pool{New: func() any { return new(largeBuffer) }}
)
