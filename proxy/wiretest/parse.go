package wiretest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Field is a field line as it was on the wire.
type Field struct{ Name, Value string }

// Message is a request or a response as it was on the wire, taken apart strictly.
type Message struct {
	// StartLine is the request line or status line without its CRLF.
	StartLine string
	// Fields are the field lines in order.
	Fields []Field
	// Body is the body, without chunk framing.
	Body string
	// Trailers are the trailer fields in order.
	Trailers []Field
	// Chunked says how the body was framed.
	Chunked bool
	// Complete says that the end of the body was seen.
	Complete bool
}

// Get returns the value of the first field called name in any case, or "".
func (m *Message) Get(name string) string {
	for _, v := range m.Values(name) {
		return v
	}
	return ""
}

// Values returns the values of all fields called name in any case.
func (m *Message) Values(name string) []string {
	var out []string
	for _, f := range m.Fields {
		if strings.EqualFold(f.Name, name) {
			out = append(out, f.Value)
		}
	}
	return out
}

// Has reports whether there is a field called name in any case.
func (m *Message) Has(name string) bool { return len(m.Values(name)) > 0 }

// Status returns the status code of a response, or 0.
func (m *Message) Status() int {
	parts := strings.SplitN(m.StartLine, " ", 3)
	if len(parts) < 2 || len(parts[1]) != 3 {
		return 0
	}
	n, _ := strconv.Atoi(parts[1])
	return n
}

// Method returns the method of a request.
func (m *Message) Method() string { return strings.SplitN(m.StartLine, " ", 2)[0] }

// Target returns the target of a request.
func (m *Message) Target() string {
	parts := strings.Split(m.StartLine, " ")
	if len(parts) != 3 {
		return ""
	}
	return parts[1]
}

// readHead reads start line and fields. io.EOF means that there was not a single byte.
func readHead(r *bufio.Reader) (*Message, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	m := &Message{StartLine: line}
	m.Fields, err = readFields(r)
	return m, err
}

// readLine reads a line that must end with CRLF and hold no other control character than TAB.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		if err == io.EOF && line != "" {
			err = io.ErrUnexpectedEOF
		}
		return "", err
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok {
		return "", fmt.Errorf("bare LF behind %q", line)
	}
	for i := 0; i < len(text); i++ {
		if text[i] < ' ' && text[i] != '\t' || text[i] == 0x7f {
			return "", fmt.Errorf("control character in %q", line)
		}
	}
	return text, nil
}

// readFields reads field lines up to the empty line.
func readFields(r *bufio.Reader) ([]Field, error) {
	var out []Field
	for {
		line, err := readLine(r)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil || line == "" {
			return out, err
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.ContainsAny(name, " \t()<>@,;\\\"/[]?={}") {
			return out, fmt.Errorf("malformed field line %q", line)
		}
		out = append(out, Field{name, strings.Trim(value, " \t")})
	}
}

// readBody reads the body that the fields announce. closing says that without any framing the body goes on
// to the end of the connection, as that of a response does.
func (m *Message) readBody(r *bufio.Reader, closing bool) error {
	lengths, encodings := m.Values("Content-Length"), m.Values("Transfer-Encoding")
	switch {
	case len(lengths) > 1 || len(encodings) > 1 || len(lengths) > 0 && len(encodings) > 0:
		return fmt.Errorf("ambiguous framing: lengths %q, encodings %q", lengths, encodings)
	case len(encodings) == 1:
		if encodings[0] != "chunked" {
			return fmt.Errorf("transfer encoding %q", encodings[0])
		}
		m.Chunked = true
		return m.readChunks(r)
	case len(lengths) == 1:
		n, err := strconv.ParseUint(lengths[0], 10, 62)
		if err != nil {
			return fmt.Errorf("length %q", lengths[0])
		}
		return m.readPayload(r, int64(n))
	case closing:
		body, err := io.ReadAll(r)
		m.Body = string(body)
		m.Complete = err == nil
		return err
	}
	m.Complete = true
	return nil
}

// readPayload reads n bytes.
func (m *Message) readPayload(r *bufio.Reader, n int64) error {
	var b strings.Builder
	_, err := io.CopyN(&b, r, n)
	m.Body += b.String()
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	m.Complete = err == nil && !m.Chunked
	return err
}

// readChunks reads a chunked body.
func (m *Message) readChunks(r *bufio.Reader) error {
	for {
		line, err := readLine(r)
		if err != nil {
			return errors.Join(io.ErrUnexpectedEOF, err)
		}
		n, err := strconv.ParseUint(line, 16, 62)
		if err != nil {
			return fmt.Errorf("chunk size %q", line)
		}
		if n == 0 {
			break
		}
		if err := m.readPayload(r, int64(n)); err != nil {
			return err
		}
		if line, err = readLine(r); err != nil || line != "" {
			return fmt.Errorf("%q behind a chunk: %w", line, errors.Join(io.ErrUnexpectedEOF, err))
		}
	}
	var err error
	m.Trailers, err = readFields(r)
	m.Complete = err == nil
	return err
}
