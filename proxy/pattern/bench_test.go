package pattern

import "testing"

func BenchmarkCompile(b *testing.B) {
	for name, expr := range map[string]string{"literal": "^/foo/bar", "rewrite": "^/foo(/|$)(.*)", "look-ahead": "^/(?!api)(.*)"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(expr, true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, c := range []struct{ name, expr, s string }{
		{"literal", "^/foo/bar", "/foo/bar/baz"},
		{"rewrite", "^/foo(/|$)(.*)", "/foo/bar/baz"},
		{"other lead", "^/foo(/|$)(.*)", "/fuo/bar/baz"},
		{"numbers", `^/v[0-9]+/users/(\d+)$`, "/v12/users/123456"},
		{"look-ahead", "^/(?!api)(.*)", "/foo/bar/baz"},
	} {
		p, err := Compile(c.expr, true)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Match(c.s)
			}
		})
		b.Run(c.name+", captures", func(b *testing.B) {
			b.ReportAllocs()
			var dst [Groups]string
			for b.Loop() {
				p.Captures(c.s, &dst)
			}
		})
	}
}
