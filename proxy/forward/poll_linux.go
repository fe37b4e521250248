package forward

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// pollFD is a client that poll(2) is asked about.
type pollFD unix.PollFd

// newPollFD asks whether the other side has closed or reset the connection.
func newPollFD(fd uintptr) pollFD {
	return pollFD{Fd: int32(fd), Events: unix.POLLRDHUP}
}

// gone reports what the answer was.
func (p *pollFD) gone() bool {
	return p.Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
}

// pollNow asks without waiting and returns how many answers there are.
func pollNow(list []pollFD) int {
	// pollFD is unix.PollFd under a name that other systems have, too.
	n, err := unix.Poll(unsafe.Slice((*unix.PollFd)(unsafe.SliceData(list)), len(list)), 0)
	if err != nil {
		return 0 // interrupted, or out of memory: the next look asks again
	}
	return n
}
