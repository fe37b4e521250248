package e2e

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestWireListIsComplete compares docs/wire.md with the cases that are run.
func TestWireListIsComplete(t *testing.T) {
	var want []string
	for _, group := range []struct {
		letter string
		count  int
	}{{"L", 30}, {"B", 7}, {"F", 11}, {"C", 34}, {"K", 16}, {"R", 20}} {
		for i := range group.count {
			want = append(want, fmt.Sprintf("%s-%02d", group.letter, i+1))
		}
	}
	text, err := os.ReadFile("../docs/wire.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range regexp.MustCompile(`(?m)^\| ([A-Z]-\d\d) \|.*\| ([^|]*) \|$`).FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, m[1])
		explained := regexp.MustCompile(`(?m)^- \*\*` + m[1] + `\*\*: .+`).Match(text)
		if verdict := m[2]; verdict != "as stated" && verdict != "decided otherwise" || explained != (verdict == "decided otherwise") {
			t.Errorf("%s: the verdict is %q, explained: %t", m[1], verdict, explained)
		}
	}
	if !slices.Equal(documented, want) {
		t.Errorf("docs/wire.md lists\n%v, want\n%v", documented, want)
	}
	run := map[string]bool{}
	for _, list := range tables {
		for _, c := range list {
			run[c.id] = true
		}
	}
	for _, c := range chunkCases {
		run[c.id] = true
	}
	for _, c := range specialCases {
		run[c.id] = true
	}
	delete(run, "")
	for _, id := range want {
		if !run[id] {
			t.Errorf("%s is not run", id)
		}
		delete(run, id)
	}
	if len(run) > 0 {
		t.Errorf("cases that are on no list: %v", run)
	}
}
