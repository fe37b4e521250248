package ir

import "strconv"

// The statuses that a Statuses can hold.
const (
	LowestStatus  = 300
	HighestStatus = 599
)

// Statuses is a set of HTTP statuses between LowestStatus and HighestStatus. The zero value is empty; sets are comparable.
type Statuses [(HighestStatus - LowestStatus + 64) / 64]uint64

// Add puts a status into the set. Others than those it can hold are left out.
func (s *Statuses) Add(status int) {
	if status >= LowestStatus && status <= HighestStatus {
		s[(status-LowestStatus)/64] |= 1 << ((status - LowestStatus) % 64)
	}
}

// Has reports whether the set has a status.
func (s *Statuses) Has(status int) bool {
	return status >= LowestStatus && status <= HighestStatus && s[(status-LowestStatus)/64]>>((status-LowestStatus)%64)&1 != 0
}

// IsZero reports whether the set is empty.
func (s Statuses) IsZero() bool { return s == Statuses{} }

// String lists the statuses.
func (s Statuses) String() string {
	var b []byte
	for status := LowestStatus; status <= HighestStatus; status++ {
		if s.Has(status) {
			if b != nil {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(status), 10)
		}
	}
	return string(b)
}
