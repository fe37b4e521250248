package rollout

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"
	"text/tabwriter"
)

// report collects the rows of all scenarios. Rows also go to a file, if there is one, when they are promised and again when they
// are known: the runs of this program, with and without a whole cluster, are shown in one table, even if one of them ends early.
type report struct {
	mu   sync.Mutex
	rows []row
	file *os.File
}

// row is one scenario's result.
type row struct {
	// In is what the scenario ran in: an API server alone, or a whole cluster.
	In, Scenario, Figure, Bar string
	// Known says that there is a figure; Met that it is within the bar; Skipped that the scenario does not run in here.
	Known, Met, Skipped bool
}

// verdict is a row's last word.
func (r *row) verdict() string {
	if r.Met {
		return "met"
	}
	return "MISSED"
}

// promised is a row that a test owes.
type promised struct {
	t *testing.T
	row
}

// promise announces a row. A test that ends without telling the figure has missed the bar.
func promise(t *testing.T, scenario, bar string, args ...any) *promised {
	t.Helper()
	p := &promised{t: t, row: row{In: place(), Scenario: scenario, Bar: fmt.Sprintf(bar, args...)}}
	suite.report.note(p.row)
	t.Cleanup(func() {
		switch {
		case p.Known:
		case t.Skipped():
			p.Skipped = true
			suite.report.note(p.row)
		default:
			p.is(false, "no figure: the test ended before")
		}
	})
	return p
}

// is tells the figure; a miss fails the test.
func (p *promised) is(met bool, figure string, args ...any) {
	p.t.Helper()
	p.Figure, p.Met, p.Known = fmt.Sprintf(figure, args...), met, true
	suite.report.note(p.row)
	suite.report.mu.Lock()
	suite.report.rows = append(suite.report.rows, p.row)
	suite.report.mu.Unlock()
	p.t.Logf("%s: %s (bar: %s): %s", p.Scenario, p.Figure, p.Bar, p.verdict())
	if !met {
		p.t.Fail()
	}
}

// note writes a row to the file.
func (r *report) note(one row) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.file == nil {
		return
	}
	if err := json.NewEncoder(r.file).Encode(one); err != nil {
		fmt.Fprintln(os.Stderr, "note row:", err)
	}
}

// readRows reads a file of rows; what is said last of a row counts.
func readRows(path string) ([]row, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	type key struct{ in, scenario string }
	at := map[key]int{}
	var rows []row
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var one row
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, fmt.Errorf("read row: %w", err)
		}
		k := key{one.In, one.Scenario}
		if i, ok := at[k]; ok {
			if one.Known || !rows[i].Known {
				rows[i] = one
			}
			continue
		}
		at[k] = len(rows)
		rows = append(rows, one)
	}
	return rows, nil
}

// printTable writes a table of rows and reports whether all bars were met.
func printTable(w io.Writer, rows []row) bool {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "IN\tSCENARIO\tFIGURE\tBAR\tVERDICT")
	met := len(rows) > 0
	for i := range rows {
		r := &rows[i]
		if r.Skipped {
			continue
		}
		if !r.Known {
			r.Figure = "no figure: the run ended before"
		}
		met = met && r.Met
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", r.In, r.Scenario, r.Figure, r.Bar, r.verdict())
	}
	table.Flush()
	return met
}
