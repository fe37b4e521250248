package main

import (
	"net"
	"sync"
	"time"
)

// idle opens connections, sends one request on each, and looks how much memory the proxy holds for them. It is read after
// a while without requests, in which a runtime gives back what it does not need.
func (g *generator) idle() (r result) {
	before := residentMemory(g.Processes)
	open := make([]net.Conn, 0, g.Connections)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for !g.ended.Load() {
				c, err := g.dial()
				if err == nil {
					err = g.http(c)(0)
				}
				g.mu.Lock()
				if err != nil && g.first == nil {
					g.first = err
					g.errors.Add(1)
				}
				if err != nil || len(open) >= g.Connections {
					g.ended.Store(true)
				} else {
					open = append(open, c)
				}
				g.mu.Unlock()
			}
		})
	}
	wg.Wait()
	time.Sleep(3 * time.Second)
	r.Requests = int64(len(open))
	r.PerConnection = float64(residentMemory(g.Processes)-before) / float64(len(open))
	for _, c := range open {
		c.Close()
	}
	g.report(&r)
	return r
}
