package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestOneBinaryAnswersUnderTheNamesOfIngressNginx(t *testing.T) {
	for _, c := range []struct{ line, want string }{
		{"/yett controller --v=2", "controller --v=2"},
		{"/yett", ""},
		{"/nginx-ingress-controller --election-id=a", "controller --election-id=a"},
		{"nginx-ingress-controller", "controller"},
		{"/yett /nginx-ingress-controller --v=2", "controller --v=2"},
		{"/usr/bin/dumb-init -- /nginx-ingress-controller --v=2", "controller --v=2"},
		{"/usr/bin/dumb-init --single-child -- /nginx-ingress-controller --v=2", "controller --v=2"},
		{"/yett /usr/bin/dumb-init -- /nginx-ingress-controller", "controller"},
		{"/wait-shutdown", "wait-shutdown"},
		{"/yett nginx-ingress-controller", "nginx-ingress-controller"},
		{"/yett /etc/passwd", "/etc/passwd"},
	} {
		if got := strings.Join(dispatch(strings.Fields(c.line)), " "); got != c.want {
			t.Errorf("%s: runs %q, want %q", c.line, got, c.want)
		}
	}
}

// fakeProc writes command lines of processes.
func fakeProc(t *testing.T, lines map[int]string) string {
	t.Helper()
	dir := t.TempDir()
	for pid, line := range lines {
		folder := filepath.Join(dir, strconv.Itoa(pid))
		if err := os.Mkdir(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(line, " ", "\x00") + "\x00"
		if err := os.WriteFile(filepath.Join(folder, "cmdline"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestTheHookFindsTheController(t *testing.T) {
	pid, argv, err := findController(fakeProc(t, map[int]string{
		1: "/pause", 7: "/wait-shutdown", 30: "/nginx-ingress-controller --v=2", 31: "/bin/sh -c /nginx-ingress-controller",
	}))
	if err != nil || pid != 30 || !slices.Contains(argv, "--v=2") {
		t.Errorf("found %d %v %v, want process 30", pid, argv, err)
	}
	if _, _, err := findController(fakeProc(t, map[int]string{1: "/pause"})); err == nil {
		t.Error("found a controller where there is none")
	}
}

func TestTheHookEndsTheControllerAndReturnsAtOnce(t *testing.T) {
	sleep := exec.Command("sleep", "60")
	if err := sleep.Start(); err != nil {
		t.Skip("needs sleep:", err)
	}
	line := "/nginx-ingress-controller --shutdown-grace-period=10"
	start := time.Now()
	var out strings.Builder
	if err := waitShutdown(t.Context(), fakeProc(t, map[int]string{sleep.Process.Pid: line}), &out); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > settle {
		t.Errorf("took %s with a grace period in the flags", took)
	}
	if err := sleep.Wait(); err == nil || !strings.Contains(err.Error(), "terminated") {
		t.Errorf("the process ended with %v, want SIGTERM", err)
	}
}

func TestDefaultBackendAnswers404AndIsHealthy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serveDefaultBackend(ctx, l) }()
	base := "http://" + l.Addr().String()
	limit, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if err := askUntil(limit, base+"/healthz", http.StatusOK); err != nil {
		t.Error(err)
	}
	if err := askUntil(limit, base+"/other", http.StatusNotFound); err != nil {
		t.Error(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestSelftestSaysWhatItGotInstead(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := askUntil(ctx, server.URL, http.StatusOK); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("error %v, want one that names 404", err)
	}
}

func TestLayoutHoldsEveryName(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := layout(self, dir); err != nil && os.Getuid() == 0 {
		t.Fatal(err)
	}
	for _, name := range []string{"nginx-ingress-controller", "wait-shutdown", "usr/bin/dumb-init"} {
		if target, err := os.Readlink(filepath.Join(dir, name)); err != nil || target != "/yett" {
			t.Errorf("%s leads to %q, %v", name, target, err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "yett")); err != nil || info.Mode().Perm()&0o111 != 0o111 {
		t.Errorf("the binary is %v, %v: everybody must be able to run it", info, err)
	}
}
