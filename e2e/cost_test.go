package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// roleEnv makes this program a helper of the cost measurement instead of a test: a backend, or a proxy of
// the standard library. They are processes of their own, so that the kernel's accounting tells their cost
// apart.
const roleEnv = "YETT_E2E_ROLE"

// playRole runs a helper; it does not return.
func playRole(role string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(l.Addr())
	go func() { // end with the parent
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if target, ok := strings.CutPrefix(role, "reverseproxy "); ok {
		proxy := &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.SetURL(&url.URL{Scheme: "http", Host: target})
				r.SetXForwarded()
				r.Out.Host = r.In.Host
			},
			Transport: &http.Transport{MaxIdleConnsPerHost: 320, DisableCompression: true},
		}
		fmt.Fprintln(os.Stderr, http.Serve(l, proxy))
		os.Exit(1)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			os.Exit(1)
		}
		go answerAll(c)
	}
}

// answerAll answers every request of a connection with the same small response.
func answerAll(c net.Conn) {
	defer c.Close()
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 12\r\n\r\nhello, world")
	buf := make([]byte, 0, 8192)
	for {
		n, err := c.Read(buf[len(buf):cap(buf)])
		if err != nil {
			return
		}
		buf = buf[:len(buf)+n]
		for {
			end := bytes.Index(buf, []byte("\r\n\r\n"))
			if end < 0 {
				break
			}
			buf = buf[:copy(buf, buf[end+4:])]
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
	}
}

// helper is a running role.
type helper struct {
	addr string
	cmd  *exec.Cmd
}

// startRole starts one.
func startRole(tb testing.TB, role string) *helper {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"="+role)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	return &helper{strings.TrimSpace(line), cmd}
}

// cpu returns the CPU time that a process has used, in nanoseconds, over all its threads.
func cpu(tb testing.TB, pid int) (ns int64) {
	tb.Helper()
	files, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/schedstat")
	if err != nil || len(files) == 0 {
		tb.Skip("needs /proc/PID/task/*/schedstat to tell what a process costs")
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // the thread ended
		}
		first, _, _ := strings.Cut(string(text), " ")
		n, _ := strconv.ParseInt(first, 10, 64)
		ns += n
	}
	return ns
}

// load sends a number of requests over some keep-alive connections.
func load(tb testing.TB, addr string, connections, requests int) {
	tb.Helper()
	request := []byte("GET /bench?x=1 HTTP/1.1\r\nHost: bench.test\r\nUser-Agent: load\r\nAccept: */*\r\nAccept-Language: en\r\nCookie: a=b\r\n\r\n")
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				tb.Error(err)
				return
			}
			defer c.Close()
			r := bufio.NewReader(c)
			for range requests / connections {
				if _, err := c.Write(request); err != nil {
					tb.Error(err)
					return
				}
				resp, err := readSmall(r)
				if err != nil || resp != 200 {
					tb.Errorf("got %d %v", resp, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// readSmall reads a response with a Content-Length and returns its status.
func readSmall(r *bufio.Reader) (status int, err error) {
	length := 0
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		switch {
		case first:
			status, _ = strconv.Atoi(string(line[9:12]))
		case len(line) == 2:
			_, err := r.Discard(length)
			return status, err
		case len(line) > 16 && strings.EqualFold(string(line[:15]), "content-length:"):
			length, _ = strconv.Atoi(strings.TrimSpace(string(line[15:])))
		}
	}
}

// costs measures the CPU time of a request through yett as shipped and through httputil.ReverseProxy, in
// turn, and returns the medians in microseconds.
func costs(tb testing.TB, rounds, requests int) (yett, stock float64) {
	back := startRole(tb, "backend")
	reverse := startRole(tb, "reverseproxy "+back.addr)
	dir := tb.TempDir()
	_, port, _ := net.SplitHostPort(back.addr)
	n, _ := strconv.Atoi(port)
	text := service("bench", n) + rule("bench", "bench.test", "bench")
	if err := os.WriteFile(filepath.Join(dir, "m.yaml"), []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	g := serve(tb, dir)
	measure := func(addr string, pid int) float64 {
		before := cpu(tb, pid)
		load(tb, addr, 16, requests)
		return float64(cpu(tb, pid)-before) / float64(requests) / 1e3
	}
	measure(g.HTTP, g.PID())
	measure(reverse.addr, reverse.cmd.Process.Pid)
	var ours, theirs []float64
	for range rounds {
		ours = append(ours, measure(g.HTTP, g.PID()))
		theirs = append(theirs, measure(reverse.addr, reverse.cmd.Process.Pid))
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	return ours[rounds/2], theirs[rounds/2]
}

// TestExchangeCost holds the whole exchange, access log and metrics on, to 40 % of what the standard library's
// proxy costs.
func TestExchangeCost(t *testing.T) {
	yett, stock := costs(t, 5, 8000)
	t.Logf("CPU µs a request: yett %.1f, httputil.ReverseProxy %.1f, ratio %.2f", yett, stock, yett/stock)
	if yett/stock > 0.40 {
		t.Errorf("an exchange costs %.2f of httputil.ReverseProxy, want at most 0.40", yett/stock)
	}
}

// BenchmarkExchange reports the same figures.
func BenchmarkExchange(b *testing.B) {
	for b.Loop() {
		yett, stock := costs(b, 5, 20000)
		b.ReportMetric(yett, "yett-µs/request")
		b.ReportMetric(stock, "reverseproxy-µs/request")
		b.ReportMetric(yett/stock, "ratio")
	}
}
