package e2e

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/h2raw"
	"github.com/yettproxy/yett/e2e/harness"
)

// The files that begin with "flood" attack the gate as a whole, over TLS and in cleartext, while another client asks it for a page 50 times
// a second: that client must not notice much, and the gate must not grow. Every attack prints what it cost.

// floodsEnv, if set to "full", runs each attack for a minute and with as many connections as the bars name; otherwise it takes a moment.
const floodsEnv = "YETT_FLOODS"

// fullFloods says whether there is time for all of it.
func fullFloods() bool { return os.Getenv(floodsEnv) == "full" }

// The bars. Latency is that of the other client, with some room for what else the machine does when the test is short.
const (
	memoryBar       = 128 << 20
	latencyBar      = 250 * time.Millisecond
	shortLatencyBar = 2 * time.Second
)

// target is a gate under attack.
type target struct {
	*stage
	hits atomic.Int64 // requests that reached the Service, those of the other client aside
	// large is the size of responses, in bytes.
	large int
	// memory is how much the gate may grow, in bytes; memoryBar unless set.
	memory int64
}

// newTarget starts a gate with some settings.
func newTarget(t *testing.T, settings ...string) *target {
	x := &target{stage: newStage(t)}
	x.serve("m", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/probe" {
			return
		}
		x.hits.Add(1)
		switch r.URL.Path {
		case "/hold":
			select {
			case <-r.Context().Done():
			case <-time.After(20 * time.Second):
			}
		case "/large":
			piece := make([]byte, 64<<10)
			for sent := 0; sent < x.large; sent += len(piece) {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		default:
			buf := make([]byte, 4096)
			for {
				if _, err := r.Body.Read(buf); err != nil {
					return
				}
			}
		}
	}))
	x.settings = append(settings, "ssl-redirect: false")
	x.add(ing{name: "m", host: "a.test", paths: []string{"/ Prefix m"}}.String())
	x.start()
	return x
}

// report is what an attack has cost.
type report struct {
	probes, failed  int
	idle, p99       time.Duration
	grown           int64         // bytes, at the peak
	cpu, took       time.Duration // of the gate
	ends            map[string]int
	sent, hits, max int64
}

func (r *report) String() string {
	var ends []string
	for end, n := range r.ends {
		ends = append(ends, fmt.Sprintf("%d × %s", n, end))
	}
	slices.Sort(ends)
	frames := ""
	if r.sent > 0 {
		frames = fmt.Sprintf("%d frames, at most %d a connection; ", r.sent, r.max)
	}
	return frames + fmt.Sprintf("%d requests upstream; gate +%.1f MiB, %.0f %% of a core; others p99 %v (idle %v), %d of %d failed; %s",
		r.hits, float64(r.grown)/(1<<20), 100*r.cpu.Seconds()/r.took.Seconds(), r.p99.Round(time.Millisecond/10),
		r.idle.Round(time.Millisecond/10), r.failed, r.probes, cmp.Or(strings.Join(ends, ", "), "no connection ended"))
}

// resident returns the memory of a process.
func resident(t *testing.T, pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("needs /proc to tell how large a process is")
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	var kb int64
	_, _ = fmt.Sscan(after, &kb)
	return kb << 10
}

// probe asks for a page 50 times a second until it is told to stop, and returns how long that took each time.
func (x *target) probe(stop <-chan struct{}) (list []time.Duration, failed int) {
	c := harness.Browser(x.t)
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		begin := time.Now()
		status, _, err := harness.Ask(c, x.gate.HTTP, "a.test", "/probe")
		if list = append(list, time.Since(begin)); status != 200 || err != nil {
			failed++
		}
		select {
		case <-stop:
			tick.Stop()
			return list, failed
		case <-tick.C:
		}
	}
}

// percentile99 returns the 99th percentile.
func percentile99(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)*99/100]
}

// under runs an attack and looks at what it does to the gate and to others. The attack is told when to stop.
func (x *target) under(attack func(stop <-chan struct{}, r *report)) *report {
	x.t.Helper()
	quiet := make(chan struct{})
	time.AfterFunc(200*time.Millisecond, func() { close(quiet) })
	idle, _ := x.probe(quiet)
	r := &report{idle: percentile99(idle), ends: map[string]int{}}
	before, begin, used := resident(x.t, x.gate.PID()), time.Now(), cpu(x.t, x.gate.PID())
	stop, over := make(chan struct{}), make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() {
		var list []time.Duration
		list, r.failed = x.probe(over)
		r.probes, r.p99 = len(list), percentile99(list)
	})
	others.Go(func() {
		for {
			r.grown = max(r.grown, resident(x.t, x.gate.PID())-before)
			select {
			case <-over:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	d := 300 * time.Millisecond
	if fullFloods() {
		d = time.Minute
	}
	time.AfterFunc(d, func() { close(stop) })
	attack(stop, r)
	r.took, r.cpu = time.Since(begin), time.Duration(cpu(x.t, x.gate.PID())-used)
	close(over)
	others.Wait()
	r.hits = x.hits.Swap(0)
	bar := latencyBar
	if !fullFloods() {
		bar = shortLatencyBar
	}
	memory := cmp.Or(x.memory, memoryBar)
	if x.t.Log(r); r.failed > 0 || r.grown > memory || r.p99 > max(bar, 5*r.idle) {
		x.t.Errorf("beyond the bars: no failures, %d MiB, p99 %v or five times idle", memory>>20, bar)
	}
	return r
}

// flood is an attack with frames.
type flood struct {
	name     string
	settings []h2raw.Setting
	prepare  func(c *h2raw.Conn)
	send     func(c *h2raw.Conn, i int) error
	// bar is the most frames a connection may send before it is told to calm down, and hits the most requests of it that may reach
	// the Service.
	bar, hits int64
}

// run floods from some connections, each again and again, until it is told to stop.
func (f *flood) run(x *target, dial func(t testing.TB) *h2raw.Conn, connections int) func(stop <-chan struct{}, r *report) {
	return func(stop <-chan struct{}, r *report) {
		var mu sync.Mutex
		var all sync.WaitGroup
		for range connections {
			all.Go(func() {
				for stopped := false; !stopped; {
					n, end := f.once(x.t, dial, stop)
					select {
					case <-stop:
						stopped = true
					default:
					}
					mu.Lock()
					r.sent += n
					if end != "stopped" {
						r.ends[end]++
						r.max = max(r.max, n)
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
	}
}

// once floods on one connection until it ends, and returns how much was sent.
func (f *flood) once(t *testing.T, dial func(t testing.TB) *h2raw.Conn, stop <-chan struct{}) (n int64, end string) {
	c := dial(t)
	defer c.Conn().Close()
	c.Greet(f.settings...)
	if f.prepare != nil {
		f.prepare(c)
	}
	ended := make(chan string, 1)
	go func() { ended <- c.Drain() }()
	for {
		select {
		case end := <-ended:
			return n, end
		case <-stop:
			return n, "stopped"
		default:
		}
		if f.send(c, int(n)) != nil {
			return n, <-ended
		}
		n++
	}
}
