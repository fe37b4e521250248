package translate_test

import (
	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
)

// bareApply is an Apply without any family, to see what translation itself does.
func bareApply(*feature.Source) (*feature.Intent, []feature.Problem) { return feature.NewIntent(), nil }

// bareConfigure is a Configure without any family.
func bareConfigure(*feature.Source) (ir.Settings, []feature.Problem) {
	return ir.DefaultSettings(), nil
}
