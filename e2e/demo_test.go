package e2e

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// TestDemoLinesDoWhatTheySay pastes every line that the demo prints into a shell.
func TestDemoLinesDoWhatTheySay(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl")
	}
	g := start(t, "demo", "--http-port", "0", "--https-port", "0", "--healthz-port", "0", "--profiling=false")
	harness.Until(t, 5*time.Second, "curl lines", func() bool { return strings.Contains(g.Output(), "# metrics\n") })
	lines := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# (.*)\n(.*)$`).FindAllStringSubmatch(g.Output(), -1) {
		lines[m[1]] = m[2]
	}
	checks := []struct {
		what string // how the comment begins
		ok   func(out string) bool
	}{
		{"host and path routing", func(out string) bool {
			return strings.HasPrefix(out, "backend-a\nGET /\n") && strings.Contains(out, "backend-b\nGET /cart\n")
		}},
		{"a name nobody has", func(out string) bool { return strings.HasPrefix(out, "HTTP/1.1 404") }},
		{"TLS", func(out string) bool {
			return strings.HasPrefix(out, "backend-a\n") && strings.Contains(out, "X-Forwarded-Proto: https")
		}},
		{"http is sent to https", func(out string) bool {
			return strings.HasPrefix(out, "HTTP/1.1 308") && strings.Contains(out, "ocation: https://secure.demo.test")
		}},
		{"canary by weight", func(out string) bool {
			m := regexp.MustCompile(`(\d+) backend-c`).FindStringSubmatch(out)
			if m == nil {
				return false
			}
			n, _ := strconv.Atoi(m[1])
			return n > 3 && n < 45 // 20 of 100; beyond this once in a hundred thousand runs
		}},
		{"canary by header", func(out string) bool {
			return strings.HasPrefix(out, "backend-c\n") && strings.Contains(out, "backend-b\n")
		}},
		{"canary by cookie", func(out string) bool { return strings.HasPrefix(out, "backend-c\n") }},
		{"basic auth", func(out string) bool {
			return strings.HasPrefix(out, "HTTP/1.1 401") && strings.Contains(out, `Basic realm="the gate"`) &&
				strings.Contains(out, "backend-a\n") && !strings.Contains(out, "Authorization: Basic")
		}},
		{"rate limit", func(out string) bool {
			m := regexp.MustCompile(`(\d+) 200\n\s*(\d+) 503`).FindStringSubmatch(out)
			return m != nil && (m[1] == "6" || m[1] == "7")
		}},
		{"rewrite", func(out string) bool { return strings.HasPrefix(out, "backend-a\nGET /v1/users?q=1\n") }},
		{"metrics", func(out string) bool { return strings.Contains(out, `ingress="shop"`) }},
	}
	if len(lines) != len(checks) {
		t.Errorf("the demo prints %d lines, %d are checked", len(lines), len(checks))
	}
	for _, check := range checks {
		found := false
		for what, line := range lines {
			if !strings.HasPrefix(what, check.what) {
				continue
			}
			found = true
			out, err := exec.Command("sh", "-c", line).CombinedOutput()
			if !check.ok(string(out)) {
				t.Errorf("%s\n%s\nprints (%v):\n%s", what, line, err, out)
			}
		}
		if !found {
			t.Errorf("the demo prints no line about %q", check.what)
		}
	}
}
