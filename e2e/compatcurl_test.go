package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCompatCurlLearnsWhyAnUploadIsRefused has a real client send more than it may, or without credentials: it must read the
// status although it is still sending, over HTTP/2 too, where the rest of the body is cut off with a reset.
func TestCompatCurlLearnsWhyAnUploadIsRefused(t *testing.T) {
	version, err := exec.Command("curl", "--version").Output()
	if err != nil || !strings.Contains(string(version), "HTTP2") {
		t.Skip("curl with HTTP/2 is not installed")
	}
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "small", host: "small.test", paths: []string{"/"}, secret: "-"}.String(),
		ing{name: "guarded", host: "guarded.test", paths: []string{"/"}, secret: "-", notes: []string{"auth-type: basic", "auth-secret: users", "proxy-body-size: 0"}}.String(),
		secret("users", "auth: alice:{PLAIN}gatekeeper"))
	s.start()
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port := hostPort(t, s.gate.HTTPS)
	for _, protocol := range []string{"--http1.1", "--http2"} {
		for host, want := range map[string]string{"small.test": "413", "guarded.test": "401"} {
			for range 5 {
				out, err := exec.Command("curl", "-sk", "--max-time", "20", protocol, "--resolve", host+":"+port+":127.0.0.1", "--data-binary", "@"+file,
					"-o", os.DevNull, "-w", "%{http_code}", fmt.Sprintf("https://%s:%s/", host, port)).Output()
				if err != nil || string(out) != want {
					t.Errorf("curl %s to %s: %s, %v, want %s", protocol, host, out, err, want)
				}
			}
		}
	}
}
