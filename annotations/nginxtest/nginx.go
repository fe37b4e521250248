package nginxtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Server is a running nginx. It listens on a Unix socket, so that tests cannot collide over ports.
type Server struct {
	// Socket is the path of the socket.
	Socket string
	// Client sends requests to it, whatever host their URL names. It follows no redirects.
	Client *http.Client
}

// start is how long nginx may take to begin, in practice some 50 ms.
const start = 10 * time.Second

// Start runs nginx until the test ends. files are written into its prefix first; httpBlock goes into the http block and
// serverBlock into a server that listens on the socket. The test is skipped if nginx is not installed.
func Start(t testing.TB, files map[string]string, httpBlock, serverBlock string) *Server {
	t.Helper()
	binary := find()
	if binary == "" {
		t.Skip("nginx is not installed: nothing to compare with")
	}
	dir, err := os.MkdirTemp("", "nginx") // t.TempDir is too long a path for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &Server{Socket: filepath.Join(dir, "s")}
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		write(name, text)
	}
	write("nginx.conf", fmt.Sprintf(config, httpBlock, s.Socket, serverBlock))
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(binary, "-p", dir, "-c", "nginx.conf", "-e", "stderr")
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(cmd) })
	s.Client = &http.Client{
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", s.Socket)
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
	t.Cleanup(s.Client.CloseIdleConnections)
	if err := s.wait(); err != nil {
		text, _ := os.ReadFile(log.Name())
		t.Fatalf("nginx did not start: %v\n%s", err, text)
	}
	return s
}

// config is nginx's configuration: one process, everything in its prefix.
const config = `
daemon off; master_process off; error_log stderr; pid pid;
events { worker_connections 256; }
http {
	access_log off; default_type text/plain;
	client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
	%s
	server { listen unix:%s; %s }
}
`

// find returns the path of nginx, or "".
func find() string {
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// stop ends nginx and waits for it.
func stop(cmd *exec.Cmd) {
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return // it is gone already
	}
	_ = cmd.Wait() // it says by which signal it ended, which we know
}

// wait returns once the socket takes connections.
func (s *Server) wait() error {
	deadline := time.Now().Add(start)
	for {
		c, err := net.Dial("unix", s.Socket)
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
