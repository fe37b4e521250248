package wire

import "testing"

func TestCookie(t *testing.T) {
	tests := map[string]struct {
		fields []string
		name   string
		want   string
		found  bool
	}{
		"the only cookie":                       {[]string{"a=1"}, "a", "1", true},
		"one among others":                      {[]string{"x=0; a=1; b=2"}, "a", "1", true},
		"the last one":                          {[]string{"x=0; a=1"}, "a", "1", true},
		"the first of two with the same name":   {[]string{"a=1; a=2"}, "a", "1", true},
		"the name in another case":              {[]string{"INGRESScookie=1"}, "IngressCookie", "1", true},
		"in the second field":                   {[]string{"x=0", "a=1"}, "a", "1", true},
		"an empty value":                        {[]string{"a=; b=2"}, "a", "", true},
		"a value with an equals sign":           {[]string{"a=b=c"}, "a", "b=c", true},
		"a value with a comma":                  {[]string{"a=1,b=2"}, "a", "1,b=2", true},
		"pairs separated by a comma":            {[]string{"x=1,a=2"}, "a", "2", true},
		"spaces around the equals sign":         {[]string{"a  =  1"}, "a", "1", true},
		"a name that another name begins with":  {[]string{"ab=1; a=2"}, "a", "2", true},
		"a name that another name ends with":    {[]string{"ba=1"}, "a", "", false},
		"a name within a value":                 {[]string{"x=a=1"}, "a", "", false},
		"a name without value":                  {[]string{"a"}, "a", "", false},
		"a name without value before the right": {[]string{"a; a=1"}, "a", "1", true},
		"no cookie at all":                      {nil, "a", "", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var f Fields
			f.Add("X-Other", "a=9")
			for _, v := range tt.fields {
				f.Add("cookie", v)
			}
			got, ok := f.Cookie(tt.name)
			if got != tt.want || ok != tt.found {
				t.Errorf("Cookie(%q) in %q = %q, %v; want %q, %v", tt.name, tt.fields, got, ok, tt.want, tt.found)
			}
			if n := testing.AllocsPerRun(10, func() { f.Cookie(tt.name) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
