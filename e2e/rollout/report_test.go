package rollout

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"text/tabwriter"
)

// report collects the rows of all scenarios.
type report struct {
	mu   sync.Mutex
	rows []row
}

// row is one scenario's result.
type row struct {
	scenario, figure, bar string
	met                   bool
}

// verdict is a row's last word.
func (r row) verdict() string {
	if r.met {
		return "met"
	}
	return "MISSED"
}

// result prints a row now and keeps it for the table; a miss fails the test.
func result(t *testing.T, met bool, scenario, bar, figure string, args ...any) {
	t.Helper()
	r := row{scenario: scenario, figure: fmt.Sprintf(figure, args...), bar: bar, met: met}
	suite.report.mu.Lock()
	suite.report.rows = append(suite.report.rows, r)
	suite.report.mu.Unlock()
	t.Logf("%s: %s (bar: %s): %s", r.scenario, r.figure, r.bar, r.verdict())
	if !met {
		t.Fail()
	}
}

// print writes the table of all rows.
func (r *report) print(w io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rows) == 0 {
		return
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SCENARIO\tFIGURE\tBAR\tVERDICT")
	for _, row := range r.rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", row.scenario, row.figure, row.bar, row.verdict())
	}
	table.Flush()
}
