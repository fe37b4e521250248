package observe

import (
	"io"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
)

// LogFormat is a compiled access-log format, with what is not to be logged.
type LogFormat struct{}

// CompileLog compiles the settings. An unknown variable in the format is an error; the caller goes on
// with the last format that compiled.
func CompileLog(s ir.LogSettings) (*LogFormat, error) { return &LogFormat{}, nil }

// LogOptions bound the memory of an AccessLog. The zero value has good defaults.
type LogOptions struct{}

// AccessLog writes one line for each exchange.
type AccessLog struct{}

// NewAccessLog returns a log that writes to w. It must be closed.
func NewAccessLog(w io.Writer, o LogOptions) *AccessLog { return &AccessLog{} }

// Log writes the line for a finished exchange, unless f leaves it out. It never blocks on the sink: lines
// that find no room are dropped and counted.
func (l *AccessLog) Log(x *filter.Exchange, f *LogFormat) {}

// Flush waits until everything logged before was written.
func (l *AccessLog) Flush() error { return nil }

// Close writes what is left and stops the writer. Lines logged afterwards are dropped.
func (l *AccessLog) Close() error { return nil }

// Dropped returns how many lines were dropped.
func (l *AccessLog) Dropped() uint64 { return 0 }
