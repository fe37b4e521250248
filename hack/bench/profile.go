package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// profiles gathers a CPU profile of Yett under each case, for the compiler (make pgo) and for whoever wants to
// know where the time goes.
type profiles struct {
	url   string
	dir   string
	files []string
}

// during profiles Yett while run runs a case, from shortly after its beginning to shortly before its end.
func (p *profiles) during(name string, length time.Duration, run func()) error {
	file := filepath.Join(p.dir, name+".pprof")
	done, got := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			err := p.fetch(file, length-time.Second)
			select {
			case <-done:
			default:
				if err != nil { // Yett has not been started yet
					time.Sleep(100 * time.Millisecond)
					continue
				}
			}
			got <- err
			return
		}
	}()
	run()
	close(done)
	if err := <-got; err != nil {
		return fmt.Errorf("profile case %q (-duration of at least 3s, -rounds 1, -peers yett, -profiler-port?): %w", name, err)
	}
	p.files = append(p.files, file)
	return nil
}

// fetch writes a profile of a length to a file.
func (p *profiles) fetch(file string, length time.Duration) error {
	client := http.Client{Timeout: length + 5*time.Second}
	answer, err := client.Get(fmt.Sprintf("%s?seconds=%d", p.url, max(1, int(length.Seconds()))))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s", answer.Status)
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(out, answer.Body)
	return err
}

// merge writes the sum of all profiles to a file, with what go build needs of them and no more.
func (p *profiles) merge(to string) error {
	args := append([]string{"tool", "pprof", "-proto", "-output", to}, p.files...)
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil { //nolint:gosec // our own arguments
		return fmt.Errorf("merge profiles: %w: %s", err, out)
	}
	return nil
}
