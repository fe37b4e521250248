package http1

import "sync"

// Sizes of the buffers, in bytes. A small one holds an ordinary head in either direction; a large one holds
// the longest head that the default limits allow, and pieces of bodies.
const (
	smallSize = 4 << 10
	largeSize = 32 << 10
)

type (
	smallBuffer [smallSize]byte
	largeBuffer [largeSize]byte
)

// The pools are memory and nothing else: nothing can be seen through them.
var (
	smallBuffers = sync.Pool{New: func() any { return new(smallBuffer) }}
	largeBuffers = sync.Pool{New: func() any { return new(largeBuffer) }}
)
