package main

import (
	"fmt"
	"strings"
)

// reverseProxyBar is what Yett's CPU time per request may be at most, in that of httputil.ReverseProxy.
const reverseProxyBar = 0.35

// idleBars are how many KB an idle connection may take, by case.
var idleBars = map[string]float64{"idle": 10, "idletls": 25}

// scalingBar is the least that a second core must bring.
const scalingBar = 1.8

// verdict compares Yett's figures with the bars, case by case. Nothing is left out.
func (r *report) verdict() string {
	var b strings.Builder
	b.WriteString("| case | what | figure | bar | |\n|---|---|---:|---:|---|\n")
	line := func(title, what, figure, bar string, met bool) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", title, what, figure, bar, map[bool]string{true: "met", false: "**missed**"}[met])
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		f := row.Figures["yett"]
		if f == nil {
			continue
		}
		if f.Missing != "" {
			fmt.Fprintf(&b, "| %s | | | | %s |\n", row.Title, f.Missing)
			continue
		}
		if bar := idleBars[row.Case]; bar > 0 {
			kb := f.PerConnection / 1024
			line(row.Title, "KB per connection", fmt.Sprintf("%.1f", kb), fmt.Sprintf("≤ %.0f", bar), kb <= bar)
			continue
		}
		if row.Case == "p99" {
			if best := row.bestP99(); best > 0 {
				ratio := f.P99 / best
				line(row.Title, "p99, to the better of the two", fmt.Sprintf("%.2f", ratio), "≤ 1.00", ratio <= 1)
			}
			continue
		}
		if row.Bar == 0 {
			continue
		}
		if best, least := row.best(); best > 0 {
			ratio := f.CPU / best
			line(row.Title, "CPU, to the better of the two", fmt.Sprintf("%.2f (%.2f)", ratio, f.CPULow/least), fmt.Sprintf("≤ %.2f", row.Bar), ratio <= row.Bar)
		}
		if std := row.Figures["reverseproxy"]; std != nil && std.CPU > 0 {
			ratio := f.CPU / std.CPU
			line(row.Title, "CPU, to `ReverseProxy`", fmt.Sprintf("%.2f (%.2f)", ratio, f.CPULow/std.CPULow), fmt.Sprintf("≤ %.2f", reverseProxyBar), ratio <= reverseProxyBar)
		}
	}
	if times := r.scaling("yett"); times > 0 {
		line("a second core", fmt.Sprintf("requests for the CPU time of two, to one (nginx %.2f, HAProxy %.2f)", r.scaling("nginx"), r.scaling("haproxy")),
			fmt.Sprintf("%.2f ×", times), fmt.Sprintf("≥ %.1f ×", scalingBar), times >= scalingBar)
	}
	return b.String()
}

// scaling returns how many times the requests of one worker two workers would serve in the CPU time of two cores, by what a
// request costs each; 0 if it was not measured.
func (r *report) scaling(peer string) float64 {
	cost := map[string]float64{}
	for i := range r.Rows {
		if f := r.Rows[i].Figures[peer]; f != nil {
			cost[r.Rows[i].Case] = f.CPU
		}
	}
	if cost["core1"] == 0 || cost["core2"] == 0 {
		return 0
	}
	return 2 * cost["core1"] / cost["core2"]
}

// bestP99 returns the lesser 99th percentile of nginx and HAProxy, or 0.
func (r *row) bestP99() (best float64) {
	for _, name := range []string{"nginx", "haproxy"} {
		if f := r.Figures[name]; f != nil && f.Missing == "" && f.P99 > 0 && (best == 0 || f.P99 < best) {
			best = f.P99
		}
	}
	return best
}

// latencies is the table of the case with a fixed rate.
func (r *report) latencies() string {
	var b strings.Builder
	for _, row := range r.Rows {
		if row.Case != "p99" {
			continue
		}
		fmt.Fprintf(&b, "\n%s\n\n| proxy | p50 ms | p99 ms | p99.9 ms |\n|---|---:|---:|---:|\n", row.Title)
		for _, name := range sortedNames(row.Figures) {
			f := row.Figures[name]
			if f.Missing != "" {
				fmt.Fprintf(&b, "| %s | %s | | |\n", name, f.Missing)
				continue
			}
			fmt.Fprintf(&b, "| %s | %s | %.2f | %.2f |\n", name, cell("%.2f", f.P50/1e3, f), f.P99/1e3, f.P999/1e3)
		}
	}
	return b.String()
}
