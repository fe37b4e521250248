package variable

import (
	"slices"
	"strings"
)

// hint names the variable that is spelled most like name, if one is near.
func hint(name string) string {
	name = strings.ToLower(name)
	names := make([]string, 0, len(known)+64)
	for n := range known {
		names = append(names, n)
	}
	names = append(names, strings.Fields(absent)...)
	slices.Sort(names)
	best, nearest := len(name)/3+1, ""
	for _, n := range names {
		if d := distance(name, n, best); d < best || d == best && nearest == "" {
			best, nearest = d, n
		}
	}
	if nearest == "" {
		return ""
	}
	return `; did you mean "$` + nearest + `"?`
}

// distance is the number of single-character edits between a and b, or limit+1 if it is more than limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return min(row[len(b)], limit+1)
}
