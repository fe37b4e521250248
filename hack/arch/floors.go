package arch

import (
	"fmt"
	"slices"
	"strings"
)

// floors are the packages by what they may import: only what stands before their own line. A pattern that ends in "/*"
// stands for all packages directly below. The first pattern that fits a package is its floor.
var floors = [][]string{
	{"proxy/wire", "proxy/grpc", "proxy/pattern", "proxy/cidr", "proxy/lru", "proxy/preamble", "proxy/socket", "proxy/pause"},
	{"proxy/upstream", "proxy/tunnel"},
	{"proxy/filter"},
	{"proxy/ir", "proxy/variable"},
	{"proxy/observe", "proxy/compress", "proxy/clientcert"},
	{"proxy/certs", "proxy/http1", "proxy/http2", "proxy/http3", "proxy/listen"},
	{"proxy/forward", "proxy/stream"},
	{"proxy/route"},
	{"proxy"},
	{"annotations/feature", "annotations/remote"},
	{"annotations/*"},
	{"annotations"},
	{"controllers/translate"},
	{"controllers/store"},
	{"controllers/endpoints", "controllers/status"},
	{"controllers/*"},
	{"cmd/*"},
}

// outside are packages that only tests or people run: they may import everything, and nobody may import them.
var outside = []string{
	"proxy/wiretest", "proxy/certtest", "proxy/proxytest", "proxy/forwardtest", "annotations/feature/featuretest", "annotations/nginxtest", "hack/*", "e2e", "e2e/*",
}

// matches reports whether a package fits a pattern.
func matches(pattern, path string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/*"); ok {
		name, below := strings.CutPrefix(path, dir+"/")
		return below && !strings.Contains(name, "/")
	}
	return pattern == path
}

// isOutside reports whether a package stands outside the floors.
func isOutside(path string) bool {
	return slices.ContainsFunc(outside, func(p string) bool { return matches(p, path) })
}

// floor returns the number of a package's floor, or -1.
func floor(path string) int {
	// Exact names go before patterns: annotations/feature is no family.
	for i, line := range floors {
		if slices.Contains(line, path) {
			return i
		}
	}
	for i, line := range floors {
		if slices.ContainsFunc(line, func(p string) bool { return matches(p, path) }) {
			return i
		}
	}
	return -1
}

// Floors checks that packages import only lower floors, and that every package has one.
func Floors(packages []*Package) (violations []string) {
	for _, p := range packages {
		if isOutside(p.Path) {
			continue
		}
		own := floor(p.Path)
		if own < 0 {
			violations = append(violations, fmt.Sprintf("%s has no floor: give it a line in hack/arch/floors.go", p.Path))
			continue
		}
		for _, path := range p.Imports {
			if !ours(path) {
				continue
			}
			path = short(path)
			switch other := floor(path); {
			case isOutside(path):
				violations = append(violations, fmt.Sprintf("%s imports %s, which is for tests", p.Path, path))
			case other >= own:
				violations = append(violations, fmt.Sprintf("%s (floor %d) imports %s (floor %d): imports go down only", p.Path, own, path, other))
			}
		}
	}
	return violations
}

// Kubernetes checks that the data plane and the annotations do not know Kubernetes, not even in their tests.
func Kubernetes(packages []*Package) (violations []string) {
	for _, p := range packages {
		if !below(p.Path, "proxy") && !below(p.Path, "annotations") {
			continue
		}
		for _, path := range slices.Concat(p.Imports, p.TestImports) {
			if strings.HasPrefix(path, "k8s.io/") || strings.HasPrefix(path, "sigs.k8s.io/") {
				violations = append(violations, fmt.Sprintf("%s imports %s: nothing under proxy or annotations knows Kubernetes", p.Path, path))
			}
		}
	}
	return violations
}

// below reports whether a package is dir or below it.
func below(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }
