package translate

import "github.com/yettproxy/yett/proxy/ir"

// Translate says what the objects mean. It never fails; see Verdict and ObjectProblem.
func Translate(objects *Objects, options *Options) *Result {
	return &Result{Config: &ir.Config{}}
}
