package annotations

import "strings"

// The nearest name is the one that needs the fewest edits (Levenshtein's distance), if they are few: a third of the
// letters would make a different word of it. Ties go to the first in the order of the list.

// longestName is the longest name that is compared, in bytes: Kubernetes allows 63.
const longestName = 63

// nearest returns the name in a list that was probably meant by another, or "".
func nearest(name string, list []string) string {
	if len(name) > longestName {
		return ""
	}
	name = strings.ToLower(name)
	best, bestName := 1+len(name)/6, ""
	for _, candidate := range list {
		if abs(len(candidate)-len(name)) > best || len(candidate) > longestName {
			continue
		}
		if d := distance(name, candidate); d < best || d == best && bestName == "" {
			best, bestName = d, candidate
		}
	}
	return bestName
}

// distance returns how many bytes must be added, removed or changed to make one name of the other. Both are at
// most longestName long.
func distance(a, b string) int {
	var rows [2][longestName + 1]int
	last, row := &rows[0], &rows[1]
	for j := 0; j <= len(b); j++ {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			d := last[j-1]
			if a[i-1] != b[j-1] {
				d++
			}
			row[j] = min(d, last[j]+1, row[j-1]+1)
		}
		last, row = row, last
	}
	return last[len(b)]
}

// abs returns n without its sign.
func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
