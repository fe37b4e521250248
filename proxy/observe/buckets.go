package observe

import (
	"math"
	"time"
)

// buckets are the upper bounds of a histogram and the place of its counters in a series.
type buckets struct {
	// bounds are what clients of the metrics see, upper the same in nanoseconds or bytes.
	bounds []float64
	upper  []int64
	first  int
}

// newBuckets lays out a histogram whose first counter has the index first.
func newBuckets(bounds []float64, time bool, first int) buckets {
	b := buckets{bounds: bounds, upper: make([]int64, len(bounds)), first: first}
	for i, bound := range bounds {
		if time {
			bound *= nanosecondsPerSecond
		}
		b.upper[i] = math.MaxInt64
		if bound < math.MaxInt64 {
			b.upper[i] = int64(math.Floor(bound + roundingError))
		}
	}
	return b
}

const (
	nanosecondsPerSecond = float64(time.Second)
	// roundingError keeps 0.29 seconds from becoming 289 999 999 nanoseconds.
	roundingError = 1e-3
)

// end returns the index behind the last counter; there is one more than bounds, for +Inf.
func (b *buckets) end() int { return b.first + len(b.upper) + 1 }

// index returns the index of the counter for a value.
func (b *buckets) index(v int64) int {
	for i, upper := range b.upper {
		if v <= upper {
			return b.first + i
		}
	}
	return b.first + len(b.upper)
}
