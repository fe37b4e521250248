package headers

import (
	"fmt"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// Custom sets response fields (custom-headers).
type Custom struct {
	// From is the ConfigMap that they come from, "namespace/name".
	From string
	// Fields are lines "Name: value".
	Fields string
}

var _ filter.Spec = Custom{}

// Phase implements filter.Spec.
func (Custom) Phase() filter.Phase { return filter.Header }

// String implements filter.Spec.
func (c Custom) String() string {
	return "custom-headers " + c.From + " " + strings.ReplaceAll(c.Fields, "\n", " | ")
}

// New implements filter.Spec.
func (c Custom) New(*filter.Env) (filter.Filter, error) {
	f := &customFilter{}
	for line := range strings.SplitSeq(c.Fields, "\n") {
		name, value, ok := strings.Cut(line, ": ")
		if !ok {
			return nil, fmt.Errorf("read field %q of %s: no value", line, c.From)
		}
		f.fields = append(f.fields, wire.Field{Name: name, Value: value, ID: wire.Lookup(name)})
	}
	return f, nil
}

// customFilter is Custom built for a route.
type customFilter struct{ fields []wire.Field }

var _ filter.ResponseFilter = (*customFilter)(nil)

// Request implements filter.Filter.
func (*customFilter) Request(*filter.Exchange) filter.Action { return filter.Continue }

// Response implements filter.ResponseFilter: the fields replace others of their names.
func (f *customFilter) Response(x *filter.Exchange) {
	for i := range f.fields {
		x.Response.Fields.Del(f.fields[i].Name)
		x.Response.Fields.Append(f.fields[i])
	}
}
