package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Between these lines of benchmarks.md stand the figures.
const (
	figuresBegin = "<!-- Figures: written by make bench-report. -->"
	figuresEnd   = "<!-- End of the figures. -->"
)

// publish writes the results into the documentation: the figures into benchmarks.md, the chart and everything measured
// beside it.
func (r *report) publish(dir string) error {
	page := filepath.Join(dir, "benchmarks.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), figuresBegin)
	_, after, ended := strings.Cut(rest, figuresEnd)
	if !ok || !ended {
		return fmt.Errorf("write figures into %s: it lacks the lines %q and %q", page, figuresBegin, figuresEnd)
	}
	content, err := r.json()
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"benchmarks.md":   before + figuresBegin + "\n\n" + r.verdict() + "\n" + r.table() + "\n" + figuresEnd + after,
		"benchmarks.svg":  r.chart(),
		"benchmarks.json": content,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil { //nolint:gosec
			return err
		}
	}
	return nil
}
