package pattern

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/dlclark/regexp2/v2"
)

// Timeout is how long a search may take that needs the backtracking engine. The engine looks at a coarse
// clock, so that a search may take up to 10 ms longer.
const Timeout = 20 * time.Millisecond

// maxStack bounds the memory of a search in the backtracking engine, in machine words.
const maxStack = 100000

// quicken makes the clock of regexp2 tick often enough for Timeout; its own period is 100 ms. It must
// come before the first search with a limit. This package is the only user of regexp2 in the program.
var quicken = sync.OnceFunc(func() { regexp2.SetTimeoutCheckPeriod(5 * time.Millisecond) })

// compileSlow compiles what RE2 has refused with the error first.
func compileSlow(expr string, fold bool, first error) (*Pattern, error) {
	if err := foreignEscape(expr); err != nil {
		return nil, err
	}
	options := regexp2.RE2
	if fold {
		options |= regexp2.IgnoreCase
	}
	re, err := compileSafely(expr, options)
	if err != nil {
		return nil, describe(expr, first)
	}
	quicken()
	re.MatchTimeout = Timeout
	p := &Pattern{expr: expr, fold: fold, slow: re}
	if strings.HasPrefix(expr, "^") {
		p.lead = Lead(expr)
		if fold {
			p.lead = lower(p.lead)
		}
	}
	return p, nil
}

// compileSafely compiles with regexp2 and turns a panic of its parser into an error.
func compileSafely(expr string, options regexp2.RegexOptions) (re *regexp2.Regexp, err error) {
	defer func() {
		if v := recover(); v != nil {
			re, err = nil, fmt.Errorf("compile %q: %v", expr, v)
		}
	}()
	return regexp2.Compile(expr, options, regexp2.OptionMaintainCaptureOrder(),
		regexp2.OptionMaxBacktrackingStackSize(maxStack))
}

// findSlow is Find for the backtracking engine. It allocates, unless dst is nil.
func findSlow(re *regexp2.Regexp, s string, dst *[Groups]string) (found bool, err error) {
	defer func() {
		if recover() != nil {
			found, err = false, ErrGaveUp
		}
	}()
	if dst == nil {
		if found, err = re.MatchString(s); err != nil {
			return false, ErrGaveUp
		}
		return found, nil
	}
	m, err := re.FindStringMatch(s)
	if err != nil {
		return false, ErrGaveUp
	}
	if m == nil {
		return false, nil
	}
	for i := range dst {
		dst[i] = ""
		if g := m.GroupByNumber(i); g != nil && len(g.Captures) > 0 {
			start, n := g.ByteRange()
			dst[i] = s[start : start+n]
		}
	}
	return true, nil
}
