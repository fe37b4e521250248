package main

import (
	"fmt"
	"html"
	"strings"
)

// Measures of the chart in pixels.
const (
	chartWidth, chartLeft, chartRight = 860, 290, 70
	barHeight, barGap, groupGap       = 13, 2, 14
)

// colour returns the colour of a peer; they can be told apart without colours, too, since every bar has its name.
func colour(name string) string {
	switch name {
	case "yett":
		return "#0b6e4f"
	case "nginx":
		return "#7a8ba0"
	case "haproxy":
		return "#a9b4c2"
	case "caddy":
		return "#c3cbd4"
	}
	return "#d9dee5"
}

// chart draws CPU time per request, each case on a scale of its own: what matters is who costs how much of the others.
func (r *report) chart() string {
	var b strings.Builder
	y := 40
	for _, row := range r.Rows {
		names := sortedNames(row.Figures)
		most := 0.0
		for _, name := range names {
			most = max(most, row.Figures[name].CPU)
		}
		if most == 0 || strings.HasPrefix(row.Case, "idle") || row.Case == "p99" || strings.HasPrefix(row.Case, "core") {
			continue
		}
		fmt.Fprintf(&b, `<text x="8" y="%d" font-weight="600">%s</text>`+"\n", y+barHeight-3, html.EscapeString(row.Title))
		for _, name := range names {
			f := row.Figures[name]
			if f.CPU == 0 {
				continue
			}
			width := f.CPU / most * (chartWidth - chartLeft - chartRight)
			fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end" fill="#555">%s</text>`, chartLeft-6, y+barHeight-3, name)
			fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`, chartLeft, y, width, barHeight, colour(name))
			fmt.Fprintf(&b, `<text x="%.1f" y="%d">%.1f</text>`+"\n", chartLeft+width+4, y+barHeight-3, f.CPU)
			y += barHeight + barGap
		}
		y += groupGap
	}
	head := fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" font-family="sans-serif" font-size="11">
<rect width="100%%" height="100%%" fill="#fff"/>
<text x="8" y="20" font-size="14" font-weight="600">CPU µs of the proxy per request, one core (%s); shorter is better</text>
`, chartWidth, y, r.Date)
	return head + b.String() + "</svg>\n"
}
