package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns the CPU time that processes have used, in nanoseconds, over all their threads.
func cpuTime(pids []int) (ns int64) {
	for _, pid := range pids {
		files, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/schedstat")
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				continue // the thread ended
			}
			first, _, _ := strings.Cut(string(text), " ")
			n, _ := strconv.ParseInt(first, 10, 64)
			ns += n
		}
	}
	return ns
}

// memory returns a line of /proc/PID/status, summed over processes, in bytes.
func memory(pids []int, field string) (sum int64) {
	for _, pid := range pids {
		text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		for line := range strings.Lines(string(text)) {
			if value, ok := strings.CutPrefix(line, field+":"); ok {
				n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
				sum += n << 10
			}
		}
	}
	return sum
}

// loadAverage returns how many tasks have wanted to run in the last minute.
func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

// residentMemory and peakMemory are what processes hold and the most they ever held.
func residentMemory(pids []int) int64 { return memory(pids, "VmRSS") }
func peakMemory(pids []int) int64     { return memory(pids, "VmHWM") }

// process is a running program. It ends with the bench.
type process struct {
	cmd    *exec.Cmd
	stderr *bytes.Buffer
}

// anyCore is where programs run that are not pinned.
const anyCore = -1

// maxProcs returns the variable that tells Go how many processors to use.
func maxProcs(n int) string { return "GOMAXPROCS=" + strconv.Itoa(n) }

// spawn starts a program on one core. The program is this one in its role "pin", which becomes the other.
func spawn(core int, stdout *os.File, env []string, name string, args ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, append([]string{"pin", strconv.Itoa(core), path}, args...)...)
	cmd.Env = append(append(os.Environ(), roleEnv+"=1"), env...)
	p := &process{cmd, &bytes.Buffer{}}
	cmd.Stderr = p.stderr
	if stdout != nil {
		cmd.Stdout = stdout
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return p, nil
}

// pin moves this thread to a core and becomes another program there.
func pin(args []string) error {
	core, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	if core != anyCore {
		var set unix.CPUSet
		set.Set(core)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("pin to core %d: %w", core, err)
		}
	}
	return syscall.Exec(args[1], args[1:], os.Environ())
}

// pids returns the process and its descendants.
func (p *process) pids() []int {
	list := []int{p.cmd.Process.Pid}
	for i := 0; i < len(list); i++ {
		files, _ := filepath.Glob("/proc/" + strconv.Itoa(list[i]) + "/task/*/children")
		for _, f := range files {
			text, _ := os.ReadFile(f)
			for field := range strings.FieldsSeq(string(text)) {
				n, _ := strconv.Atoi(field)
				list = append(list, n)
			}
		}
	}
	return list
}

// stop ends the process. SIGTERM lets nginx's master end its worker.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	ended := make(chan struct{})
	go func() { _ = p.cmd.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(3 * time.Second):
		for _, pid := range p.pids() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		<-ended
	}
}

// ready waits until a program answers: some listen before they have read their configuration.
func (p *process) ready(address string) error {
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if answers(address) {
			return nil
		}
		if time.Since(begin) > 60*time.Second || syscall.Kill(p.cmd.Process.Pid, 0) != nil {
			first, _, _ := strings.Cut(p.stderr.String(), "\n")
			return fmt.Errorf("does not answer on %s: %s", address, first)
		}
	}
}

// answers reports whether a request gets any answer within some seconds.
func answers(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(c, request("GET", "/small", host, "", 0)); err != nil {
		return false
	}
	n, _ := c.Read(make([]byte, 1))
	return n == 1
}

// measure runs a load in a process of its own, next to the backend.
func measure(core int, l load) (r result, err error) {
	spec, err := json.Marshal(l)
	if err != nil {
		return r, err
	}
	self, err := os.Executable()
	if err != nil {
		return r, err
	}
	cmd := exec.Command(self, "pin", strconv.Itoa(core), self, "load")
	cmd.Env = append(os.Environ(), roleEnv+"=1", maxProcs(1))
	cmd.Stdin = bytes.NewReader(spec)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return r, fmt.Errorf("run load generator: %w", err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("read result: %w", err)
	}
	r.Peak = peakMemory(l.Processes)
	return r, nil
}

// freeAddresses returns addresses that nobody listens on at the moment.
func freeAddresses(n int) (list []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // all are open until the last is, so they differ
		list = append(list, l.Addr().String())
	}
	return list, nil
}
