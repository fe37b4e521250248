//go:build !linux

package forward

// pollFD stands for a client that cannot be asked about: other systems than Linux have no POLLRDHUP.
type pollFD struct{}

func newPollFD(uintptr) pollFD { return pollFD{} }

func (p *pollFD) gone() bool { return false }

func pollNow([]pollFD) int { return 0 }
