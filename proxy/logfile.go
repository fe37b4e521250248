package proxy

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// logSink is where the access log goes at the moment: the writer that the proxy was made with, or the file of
// access-log-path. It is safe for concurrent use.
type logSink struct {
	mu     sync.Mutex
	stream io.Writer
	path   string
	file   *os.File // nil for the stream
}

// Write implements io.Writer.
func (s *logSink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		return s.file.Write(p)
	}
	return s.stream.Write(p)
}

// use sends what comes to a file, or to the stream if path is "". If the file cannot be opened all stays as it is.
func (s *logSink) use(path string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if path == s.path {
		return nil
	}
	var file *os.File
	if path != "" {
		var err error
		if file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640); err != nil {
			return fmt.Errorf("access-log-path: the log stays where it was: %w", err)
		}
	}
	if s.file != nil {
		_ = s.file.Close()
	}
	s.path, s.file = path, file
	return nil
}
