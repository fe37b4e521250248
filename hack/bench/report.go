package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// report is the outcome of a run.
type report struct {
	Date     string    `json:"date"`
	Cores    int       `json:"cores"`
	Rounds   int       `json:"rounds"`
	Seconds  float64   `json:"seconds"`
	Load     []string  `json:"load_average"` // of the machine, at the begin and at the end; the bench itself is 2 to 3 of it
	Versions []version `json:"versions"`
	Rows     []row     `json:"rows"`
}

// version tells what a peer is.
type version struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Missing string `json:"missing,omitempty"`
}

// write writes table.md, results.json and chart.svg.
func (r *report) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec
		return err
	}
	text, err := r.json()
	if err != nil {
		return err
	}
	for name, content := range map[string]string{"table.md": r.verdict() + "\n" + r.table(), "results.json": text, "chart.svg": r.chart()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil { //nolint:gosec
			return err
		}
	}
	return nil
}

// json is everything that was measured.
func (r *report) json() (string, error) {
	text, err := json.MarshalIndent(r, "", " ")
	return string(text) + "\n", err
}

// table is the report in Markdown.
func (r *report) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %d cores, %d rounds of %.1f s, load average %s (the bench itself is 2 to 3 of it)\n\n",
		r.Date, r.Cores, r.Rounds, r.Seconds, strings.Join(r.Load, " to "))
	for _, v := range r.Versions {
		fmt.Fprintf(&b, "- %s: %s %s\n", v.Name, v.Version, v.Missing)
	}
	b.WriteString("\n| case | proxy | CPU µs/request (spread) | to the better of nginx and HAProxy, medians (least) | requests/s | p50 ms | p99 ms | p99.9 ms | peak MB |\n" +
		"|---|---|---:|---:|---:|---:|---:|---:|---:|\n")
	var idle []row
	for _, row := range r.Rows {
		if row.Missing != "" {
			fmt.Fprintf(&b, "| %s | | %s | | | | | | |\n", row.Title, row.Missing)
			continue
		}
		if strings.HasPrefix(row.Case, "idle") {
			idle = append(idle, row)
			continue
		}
		if row.Case == "p99" {
			continue // its table is another
		}
		title := row.Title
		for _, name := range sortedNames(row.Figures) {
			b.WriteString(row.line(title, name))
			title = ""
		}
	}
	b.WriteString(r.latencies())
	if len(idle) == 0 {
		return b.String()
	}
	b.WriteString("\n| case | proxy | KB per connection | peak MB |\n|---|---|---:|---:|\n")
	for _, row := range idle {
		for _, name := range sortedNames(row.Figures) {
			f := row.Figures[name]
			fmt.Fprintf(&b, "| %s | %s | %s | %.0f |\n", row.Title, name, cell("%.1f", f.PerConnection/1024, f), float64(f.Peak)/(1<<20))
		}
	}
	return b.String()
}

// line is one proxy in one case.
func (r *row) line(title, name string) string {
	f := r.Figures[name]
	if f.Missing != "" {
		return fmt.Sprintf("| %s | %s | %s | | | | | | |\n", title, name, f.Missing)
	}
	ratio := ""
	if best, least := r.best(); best > 0 {
		ratio = fmt.Sprintf("%.2f (%.2f)", f.CPU/best, f.CPULow/least)
	}
	spread := fmt.Sprintf("%.1f (%.1f–%.1f)", f.CPU, f.CPULow, f.CPUHigh)
	return fmt.Sprintf("| %s | %s | %s | %s | %.0f | %.2f | %.2f | %.2f | %.0f |\n", title, name, cell("%s", spread, f), ratio,
		f.Rate, f.P50/1e3, f.P99/1e3, f.P999/1e3, float64(f.Peak)/(1<<20))
}

// best returns the lesser CPU time of nginx and HAProxy, by medians and by the least of all rounds, or 0. On a busy machine
// the second is steadier: what disturbs a round only ever adds to its cost.
func (r *row) best() (median, least float64) {
	for _, name := range []string{"nginx", "haproxy"} {
		f := r.Figures[name]
		if f == nil || f.CPU == 0 {
			continue
		}
		if median == 0 || f.CPU < median {
			median = f.CPU
		}
		if least == 0 || f.CPULow < least {
			least = f.CPULow
		}
	}
	return median, least
}

// cell formats a value, with a note if something went wrong.
func cell(format string, value any, f *figure) string {
	text := fmt.Sprintf(format, value)
	if f.Missing != "" {
		return f.Missing
	}
	if f.Errors > 0 {
		text += fmt.Sprintf(" (%d errors)", f.Errors)
	}
	return text
}
