package stream

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
)

// defaultLogFormat is ingress-nginx's log-format-stream.
const defaultLogFormat = `[$remote_addr] [$time_local] $protocol $status $bytes_sent $bytes_received $session_time`

// maxLogFormat is the longest format, in bytes.
const maxLogFormat = 16 << 10

var (
	errLogTooLong = errors.New("the format is longer than 16 KiB")
	errLogSyntax  = errors.New(`"$" without the name of a variable behind it`)
)

// logFormat is a format of nginx's log_format, compiled: literals and variables in turn. It is immutable.
type logFormat struct {
	literals  []string // one more than variables
	variables []func(dst []byte, s *session, now time.Time) []byte
}

// CheckLogFormat reports what is wrong with a format.
func CheckLogFormat(text string) error {
	_, err := compileLog(text)
	return err
}

// compiledDefault returns the default format.
func compiledDefault() *logFormat {
	f, _ := compileLog("") // a test holds that it compiles
	return f
}

// compileLog compiles a format; "" is ingress-nginx's.
func compileLog(text string) (*logFormat, error) {
	if text == "" {
		text = defaultLogFormat
	}
	if len(text) > maxLogFormat {
		return nil, errLogTooLong
	}
	f := &logFormat{}
	literal := ""
	for {
		before, after, found := strings.Cut(text, "$")
		literal += before
		if !found {
			f.literals = append(f.literals, literal)
			return f, nil
		}
		name, rest, ok := cutVariable(after)
		if !ok {
			return nil, errLogSyntax
		}
		v, err := variable(name)
		if err != nil {
			return nil, err
		}
		f.literals, f.variables = append(f.literals, literal), append(f.variables, v)
		literal, text = "", rest
	}
}

// cutVariable takes "name" or "{name}" off a text.
func cutVariable(text string) (name, rest string, ok bool) {
	if inner, braced := strings.CutPrefix(text, "{"); braced {
		name, rest, ok = strings.Cut(inner, "}")
		return name, rest, ok && name != ""
	}
	n := 0
	for n < len(text) && (text[n] == '_' || text[n]|0x20 >= 'a' && text[n]|0x20 <= 'z' || text[n] >= '0' && text[n] <= '9') {
		n++
	}
	return text[:n], text[n:], n > 0
}

// line returns the line of a session, with its end.
func (f *logFormat) line(s *session, now time.Time) []byte {
	b := make([]byte, 0, 256)
	for i, v := range f.variables {
		b = v(append(b, f.literals[i]...), s, now)
	}
	return append(append(b, f.literals[len(f.literals)-1]...), '\n')
}

// writer is a variable.
type writer = func(dst []byte, s *session, now time.Time) []byte

// variable returns the variable of a name, those that nginx has in stream{} and ingress-nginx's.
func variable(name string) (writer, error) {
	for _, find := range []func(string) writer{addressVariable, numberVariable, otherVariable} {
		if v := find(strings.ToLower(name)); v != nil {
			return v, nil
		}
	}
	return nil, fmt.Errorf("unknown variable %q: write one of those that nginx has for TCP and UDP, such as $remote_addr", "$"+name)
}

// addressVariable returns a variable that is an address or a port.
func addressVariable(name string) writer {
	address := func(of func(*session) netip.AddrPort) writer {
		return func(dst []byte, s *session, _ time.Time) []byte {
			if a := of(s).Addr(); a.IsValid() {
				return a.AppendTo(dst)
			}
			return append(dst, '-')
		}
	}
	port := func(of func(*session) netip.AddrPort) writer {
		return func(dst []byte, s *session, _ time.Time) []byte {
			if a := of(s); a.IsValid() {
				return strconv.AppendUint(dst, uint64(a.Port()), 10)
			}
			return append(dst, '-')
		}
	}
	switch name {
	case "remote_addr":
		return address((*session).client)
	case "remote_port":
		return port((*session).client)
	case "realip_remote_addr":
		return address(func(s *session) netip.AddrPort { return s.info.Peer })
	case "realip_remote_port":
		return port(func(s *session) netip.AddrPort { return s.info.Peer })
	case "server_addr":
		return address(func(s *session) netip.AddrPort { return s.info.Local })
	case "server_port":
		return port(func(s *session) netip.AddrPort { return s.info.Local })
	case "proxy_protocol_addr":
		return address(func(s *session) netip.AddrPort { return s.info.ProxyProtocol })
	case "proxy_protocol_port":
		return port(func(s *session) netip.AddrPort { return s.info.ProxyProtocol })
	case "proxy_protocol_server_addr":
		return address(func(s *session) netip.AddrPort { return s.info.ProxyProtocolLocal })
	case "proxy_protocol_server_port":
		return port(func(s *session) netip.AddrPort { return s.info.ProxyProtocolLocal })
	}
	return nil
}

// numberVariable returns a variable that is a number or a time.
func numberVariable(name string) writer {
	number := func(of func(*session) int64) writer {
		return func(dst []byte, s *session, _ time.Time) []byte { return strconv.AppendInt(dst, of(s), 10) }
	}
	switch name {
	case "status":
		return number(func(s *session) int64 { return int64(s.status) })
	case "bytes_sent", "upstream_bytes_received":
		return number(func(s *session) int64 { return s.sent })
	case "bytes_received", "upstream_bytes_sent":
		return number(func(s *session) int64 { return s.received })
	case "connection":
		return number(func(s *session) int64 { return int64(s.info.Serial) })
	case "pid":
		return number(func(*session) int64 { return int64(os.Getpid()) })
	case "session_time", "upstream_session_time":
		return func(dst []byte, s *session, now time.Time) []byte { return appendSeconds(dst, now.Sub(s.start)) }
	case "upstream_connect_time":
		return func(dst []byte, s *session, _ time.Time) []byte { return appendSeconds(dst, s.connect) }
	case "msec":
		return func(dst []byte, _ *session, now time.Time) []byte {
			return appendSeconds(dst, time.Duration(now.UnixNano()))
		}
	case "time_local":
		return func(dst []byte, _ *session, now time.Time) []byte {
			return now.AppendFormat(dst, "02/Jan/2006:15:04:05 -0700")
		}
	case "time_iso8601":
		return func(dst []byte, _ *session, now time.Time) []byte {
			return now.AppendFormat(dst, "2006-01-02T15:04:05-07:00")
		}
	}
	return nil
}

// appendSeconds appends seconds with milliseconds, as nginx does.
func appendSeconds(dst []byte, d time.Duration) []byte {
	return strconv.AppendFloat(dst, max(d, 0).Truncate(time.Millisecond).Seconds(), 'f', 3, 64)
}

// otherVariable returns a variable that is text.
func otherVariable(name string) writer {
	switch name {
	case "protocol":
		return func(dst []byte, s *session, _ time.Time) []byte {
			if s.stream.Upstream.UDP {
				return append(dst, "UDP"...)
			}
			return append(dst, "TCP"...)
		}
	case "upstream_addr":
		return func(dst []byte, s *session, _ time.Time) []byte {
			if s.attempts == 0 {
				return append(dst, '-')
			}
			for i, e := range s.tried[:s.attempts] {
				if i > 0 {
					dst = append(dst, ", "...)
				}
				dst = append(dst, e.String()...)
			}
			return dst
		}
	case "proxy_upstream_name":
		return func(dst []byte, s *session, _ time.Time) []byte {
			k := &s.stream.Upstream
			return append(append(append(append(append(dst, k.Namespace...), '-'), k.Service...), '-'), k.Port...)
		}
	case "ssl_preread_server_name":
		return func(dst []byte, s *session, _ time.Time) []byte { return appendQuoted(dst, s.serverName) }
	case "hostname":
		host, err := os.Hostname()
		if err != nil {
			host = "-"
		}
		return func(dst []byte, _ *session, _ time.Time) []byte { return append(dst, host...) }
	case "nginx_version":
		return func(dst []byte, _ *session, _ time.Time) []byte { return append(dst, "1.27.1"...) }
	}
	return nil
}

// appendQuoted appends what a client wrote, escaped as in nginx's logs; "" is "-".
func appendQuoted(dst []byte, text string) []byte {
	const digits = "0123456789ABCDEF"
	if text == "" {
		return append(dst, '-')
	}
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			dst = append(dst, '\\', 'x', digits[c>>4], digits[c&15])
			continue
		}
		dst = append(dst, c)
	}
	return dst
}
