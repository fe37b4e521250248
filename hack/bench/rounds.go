package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// errNoSetup says that a peer has nothing like a setup.
var errNoSetup = errors.New("has nothing like it")

// row is one case of the report.
type row struct {
	Case    string             `json:"case"`
	Title   string             `json:"title"`
	Bar     float64            `json:"bar,omitempty"`
	Missing string             `json:"missing,omitempty"`
	Figures map[string]*figure `json:"figures,omitempty"`
}

// figure is what one proxy did in one case. Its numbers are medians over the rounds.
type figure struct {
	Missing string `json:"missing,omitempty"`
	// CPU is the proxy's CPU time per request in µs; CPULow and CPUHigh are the least and most of the rounds.
	CPU           float64  `json:"cpu_us"`
	CPULow        float64  `json:"cpu_us_low"`
	CPUHigh       float64  `json:"cpu_us_high"`
	Rate          float64  `json:"requests_per_second"`
	P50           float64  `json:"p50_us"`
	P99           float64  `json:"p99_us"`
	P999          float64  `json:"p999_us"`
	Peak          int64    `json:"peak_bytes"`
	PerConnection float64  `json:"bytes_per_connection,omitempty"`
	Errors        int64    `json:"errors,omitempty"`
	Error         string   `json:"error,omitempty"`
	Rounds        []result `json:"rounds,omitempty"`
}

// run runs a case: all peers are started, then measured in turn, round after round. Those that wait for their turn do
// nothing, so they do not disturb.
func (b *bench) run(c benchCase) row {
	r := row{Case: c.Name, Title: c.Title, Bar: c.Bar, Missing: c.Missing, Figures: map[string]*figure{}}
	if c.Missing != "" {
		return r
	}
	started := map[string]*running{}
	for _, p := range b.peers {
		f := &figure{Missing: p.missing()}
		r.Figures[p.name] = f
		if f.Missing != "" {
			continue
		}
		dir := filepath.Join(b.dir, c.Name+"-"+p.name)
		if err := os.Mkdir(dir, 0o777); err != nil {
			f.Missing = err.Error()
			continue
		}
		_ = os.Chmod(dir, 0o777) //nolint:gosec // nginx's worker may be another user
		proxy, err := p.start(b, c.Setup, dir)
		for try := 0; err != nil && !errors.Is(err, errNoSetup) && try < 2; try++ { // another program may have taken the port
			proxy, err = p.start(b, c.Setup, dir)
		}
		if err != nil {
			f.Missing = err.Error()
			continue
		}
		defer proxy.stop()
		started[p.name] = proxy
	}
	if c.Setup.Routes {
		time.Sleep(3 * time.Second) // what loading has left behind is not what a request costs
	}
	if c.Load.Kind == kindOpen {
		b.setRate(&c, started, r.Figures)
		r.Title = fmt.Sprintf("%s: %.0f requests/s", r.Title, c.Load.Rate)
	}
	rounds := b.rounds
	if c.Load.Kind == kindIdle {
		rounds = 1 // memory does not vary, and connections that were closed leave theirs behind
	}
	for range rounds {
		for _, p := range b.peers {
			if proxy := started[p.name]; proxy != nil {
				b.measure(c, proxy, r.Figures[p.name])
			}
		}
	}
	for _, f := range r.Figures {
		f.conclude()
	}
	return r
}

// ofSaturation is how much of what the slowest of Yett, nginx and HAProxy can take is sent at a fixed rate.
const ofSaturation = 0.7

// setRate measures how many requests a second the proxies take when they are saturated, and sets the rate of a case by that:
// the same for all. Those that could not take it are left out.
func (b *bench) setRate(c *benchCase, started map[string]*running, figures map[string]*figure) {
	saturated := map[string]float64{}
	for name, proxy := range started {
		closed := *c
		closed.Load.Kind, closed.Load.Connections = kindHTTP, 16
		f := &figure{}
		for range min(3, b.rounds) {
			b.measure(closed, proxy, f)
		}
		f.conclude()
		if saturated[name] = f.Rate; name != "yett" && name != "nginx" && name != "haproxy" {
			continue
		}
		if rate := ofSaturation * f.Rate; c.Load.Rate == 0 || rate < c.Load.Rate {
			c.Load.Rate = rate
		}
	}
	for name, rate := range saturated {
		if rate < c.Load.Rate {
			delete(started, name)
			figures[name].Missing = fmt.Sprintf("takes %.0f requests/s at most", rate)
		}
	}
}

// measure runs one round of one proxy.
func (b *bench) measure(c benchCase, proxy *running, f *figure) {
	l := c.Load
	l.Warm, l.Duration, l.Processes, l.Address = b.warm, b.duration, proxy.pids(), proxy.plain
	if l.TLS {
		l.Address = proxy.secure
	}
	core := b.loadCore
	if c.Setup.Cores > 0 {
		core = anyCore
	}
	result, err := measure(core, l)
	if err != nil {
		result.Errors, result.Error = 1, err.Error()
	}
	f.Rounds = append(f.Rounds, result)
}

// conclude computes the medians.
func (f *figure) conclude() {
	if len(f.Rounds) == 0 {
		return
	}
	middle := func(get func(r result) float64) float64 {
		values := collect(f.Rounds, get)
		return values[len(values)/2]
	}
	served := slices.DeleteFunc(slices.Clone(f.Rounds), func(r result) bool { return r.Requests == 0 })
	if len(served) == 0 {
		served = f.Rounds
	}
	each := collect(served, func(r result) float64 { return float64(r.CPU) / 1e3 / float64(max(r.Requests, 1)) })
	f.CPU, f.CPULow, f.CPUHigh = each[len(each)/2], each[0], each[len(each)-1]
	f.Rate = middle(func(r result) float64 { return float64(r.Requests) / max(r.Seconds, 1e-9) })
	f.P50 = middle(func(r result) float64 { return r.P50 })
	f.P99 = middle(func(r result) float64 { return r.P99 })
	f.P999 = middle(func(r result) float64 { return r.P999 })
	f.PerConnection = middle(func(r result) float64 { return r.PerConnection })
	for _, r := range f.Rounds {
		f.Peak = max(f.Peak, r.Peak)
		f.Errors += r.Errors
		if f.Error == "" {
			f.Error = r.Error
		}
	}
	if f.Rate == 0 && f.PerConnection == 0 && f.Error != "" {
		f.Missing, f.CPU, f.CPULow, f.CPUHigh = "no request was answered: "+f.Error, 0, 0, 0
	}
}

// collect returns sorted values.
func collect(rounds []result, get func(result) float64) []float64 {
	values := make([]float64, 0, len(rounds))
	for _, r := range rounds {
		values = append(values, get(r))
	}
	slices.Sort(values)
	return values
}

// summary tells the progress in a line.
func (r *row) summary() string {
	text := fmt.Sprintf("%-12s", r.Case)
	if r.Missing != "" {
		return text + r.Missing
	}
	for _, name := range sortedNames(r.Figures) {
		switch f := r.Figures[name]; {
		case f.Missing != "":
			text += fmt.Sprintf("  %s: %s", name, f.Missing)
		case f.PerConnection > 0:
			text += fmt.Sprintf("  %s %.1f KB", name, f.PerConnection/1024)
		default:
			text += fmt.Sprintf("  %s %.1f µs", name, f.CPU)
		}
		if f := r.Figures[name]; f.Errors > 0 {
			text += fmt.Sprintf(" (%d errors: %s)", f.Errors, f.Error)
		}
	}
	return text
}

// sortedNames returns the peers of a row: Yett first, then as they were added.
func sortedNames(m map[string]*figure) []string {
	var names []string
	for _, name := range []string{"yett", "yett-2", "nginx", "haproxy", "caddy", "reverseproxy"} {
		if m[name] != nil {
			names = append(names, name)
		}
	}
	return names
}
