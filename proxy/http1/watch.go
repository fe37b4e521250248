package http1

import (
	"syscall"
	"time"
)

// abortWatch notices that a client goes away while nobody reads from it. Over plain TCP it looks at the
// next byte without taking it, and over anything else it reads one, which the next read of the link returns first.
type abortWatch struct {
	l    *link
	gone func()
	done chan struct{}
}

// WatchAbort implements wire.AbortWatcher.
func (s *stream) WatchAbort(gone func()) (stop func()) {
	if s.pos < s.end || s.c.hasTiny {
		return func() {} // the next request is here: what comes behind it cannot be seen
	}
	l := &s.c.link
	w := &abortWatch{l: l, gone: gone, done: make(chan struct{})}
	if l.read.armed != 0 {
		l.read.armed = 0
		if l.conn.SetReadDeadline(time.Time{}) != nil {
			gone()
			return func() {}
		}
	}
	go w.run()
	return w.stop
}

// run waits for bytes or the end.
func (w *abortWatch) run() {
	defer close(w.done)
	l := w.l
	if l.raw != nil {
		n, peekErr := 0, error(nil)
		err := l.raw.Read(func(fd uintptr) bool {
			n, peekErr = sysPeek(fd)
			return peekErr != syscall.EAGAIN
		})
		if !l.interrupted.Load() && (err != nil || peekErr != nil || n == 0) {
			w.gone()
		}
		return
	}
	n, err := l.conn.Read(l.tiny[:])
	l.hasTiny = n == 1
	if err != nil && !l.interrupted.Load() {
		w.gone()
	}
}

// stop ends the watch. When it returns, gone has returned or will not be called.
func (w *abortWatch) stop() {
	l := w.l
	wasInterrupted := l.interrupted.Load()
	l.interrupt()
	<-w.done
	if !wasInterrupted {
		l.resume()
	} else {
		l.read.armed = unknown
	}
}
