package annotations

import (
	"fmt"
	"testing"
)

func BenchmarkApply(b *testing.B) {
	for name, annotations := range map[string]map[string]string{
		"none": nil,
		"five": {
			"ssl-redirect": "true", "proxy-body-size": "8m", "proxy-read-timeout": "300", "enable-cors": "true", "rewrite-target": "/$1",
		},
		"unknown": {"proxy-body-sice": "1m"},
	} {
		src := ingress(annotations, "proxy-body-size", "2m", "use-forwarded-headers", "true", "annotations-risk-level", "Critical")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Apply(src)
			}
		})
	}
	b.Run("fresh", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			Apply(ingress(map[string]string{"proxy-read-timeout": fmt.Sprint(i + 1)}))
		}
	})
}
