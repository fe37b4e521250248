package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Load at a fixed rate: requests are sent when they are due, whether or not those before them were answered, and their
// time counts from when they were due. A proxy that stalls cannot hide it by slowing the generator down.
//
// One thread drives all connections through epoll, at a few microseconds a request, so that it is not what is measured.
// A timer wakes it every openTick; what has become due since then is sent at once.

// openTick is how often the generator looks what is due: it adds up to this to every latency, with all proxies alike.
const openTick = 100 * time.Microsecond

// openConn is a connection of the open load.
type openConn struct {
	fd   int
	due  time.Duration // of the request under way
	busy bool
	buf  []byte
}

// openLoad is an open load under way.
type openLoad struct {
	load
	epoll, timer int
	conns        map[int32]*openConn
	free         []*openConn
	request      []byte
	late         []time.Duration // due times of requests that found no free connection
	took         []time.Duration
	measuring    bool
	done         int64
}

// runOpen runs the load.
func runOpen(l load) (r result) {
	runtime.LockOSThread()
	o := &openLoad{load: l, conns: map[int32]*openConn{}, request: []byte(l.Requests[0])}
	if err := o.open(); err != nil {
		return result{Errors: 1, Error: err.Error()}
	}
	begin := time.Now()
	var cpu int64
	events := make([]unix.EpollEvent, 256)
	sent := int64(0)
	for {
		now := time.Since(begin)
		if !o.measuring && now >= l.Warm {
			o.measuring, o.done, cpu = true, 0, cpuTime(l.Processes)
		}
		if now >= l.Warm+l.Duration {
			break
		}
		for ; sent < int64(now.Seconds()*l.Rate); sent++ {
			if err := o.send(time.Duration(float64(sent) / l.Rate * 1e9)); err != nil {
				return result{Errors: 1, Error: err.Error()}
			}
		}
		n, err := unix.EpollWait(o.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return result{Errors: 1, Error: err.Error()}
		}
		for _, e := range events[:max(n, 0)] {
			if err := o.event(e.Fd, begin); err != nil {
				return result{Errors: 1, Error: err.Error()}
			}
		}
	}
	r.CPU, r.Requests, r.Seconds = cpuTime(l.Processes)-cpu, o.done, l.Duration.Seconds()
	slices.Sort(o.took)
	r.P50, r.P99, r.P999 = quantile(o.took, 0.5), quantile(o.took, 0.99), quantile(o.took, 0.999)
	if backlog := len(o.late); float64(backlog) > l.Rate/10 {
		r.Errors, r.Error = 1, fmt.Sprintf("cannot take %.0f requests a second: %d are waiting at the end", l.Rate, backlog)
	}
	return r
}

// open makes the connections and the timer.
func (o *openLoad) open() (err error) {
	if o.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if o.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK); err != nil {
		return err
	}
	every := unix.NsecToTimespec(openTick.Nanoseconds())
	if err = unix.TimerfdSettime(o.timer, 0, &unix.ItimerSpec{Interval: every, Value: every}, nil); err != nil {
		return err
	}
	to, err := netip.ParseAddrPort(o.Address)
	if err != nil {
		return err
	}
	watch := []int{o.timer}
	for range o.Connections {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}); err != nil {
			return err
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		if err := unix.SetNonblock(fd, true); err != nil {
			return err
		}
		c := &openConn{fd: fd, buf: make([]byte, 0, 4096)}
		o.conns[int32(fd)] = c
		o.free = append(o.free, c)
		watch = append(watch, fd)
	}
	for _, fd := range watch {
		if err := unix.EpollCtl(o.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
			return err
		}
	}
	return nil
}

// send sends the request that is due at a time, or notes that no connection was free.
func (o *openLoad) send(due time.Duration) error {
	if len(o.free) == 0 {
		o.late = append(o.late, due)
		return nil
	}
	c := o.free[len(o.free)-1]
	o.free = o.free[:len(o.free)-1]
	c.due, c.busy = due, true
	_, err := unix.Write(c.fd, o.request)
	return err
}

// event reads what has come on a descriptor.
func (o *openLoad) event(fd int32, begin time.Time) error {
	c := o.conns[fd]
	if c == nil { // the timer
		var ticks [8]byte
		_, _ = unix.Read(o.timer, ticks[:]) // nothing to be learned
		return nil
	}
	n, err := unix.Read(c.fd, c.buf[len(c.buf):cap(c.buf)])
	if err != nil || n == 0 || !c.busy {
		return fmt.Errorf("connection ended, or spoke unasked: %w", err)
	}
	c.buf = c.buf[:len(c.buf)+n]
	end := bytes.Index(c.buf, []byte("\r\n\r\n"))
	if end < 0 || len(c.buf) < end+4+bodyLength(c.buf[:end+4]) {
		return nil
	}
	if !bytes.HasPrefix(c.buf, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answered %q", firstLine(string(c.buf)))
	}
	c.buf, c.busy = c.buf[:0], false
	if o.measuring {
		o.done++
		o.took = append(o.took, time.Since(begin)-c.due)
	}
	o.free = append(o.free, c)
	if len(o.late) > 0 {
		due := o.late[0]
		o.late = o.late[1:]
		return o.send(due)
	}
	return nil
}
