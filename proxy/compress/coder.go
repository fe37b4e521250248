package compress

// Which responses are compressed, as nginx decides it: only 200, 403 and 404, only types on the list, only bodies that are long
// enough or of unknown length, never what is encoded already, a part of something, or not to be transformed (RFC 9110
// section 7.7). The surprise is Vary: it is added to every response that could have been compressed, also for clients
// that do not take it so, since a cache may sit in between.

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/pattern"
	"github.com/yettproxy/yett/proxy/wire"
)

const (
	// window is brotli's window in bits: 512 KiB, as nginx's module has it.
	window = 19
	// mostGzip and mostBrotli bound the responses that are compressed at once, and so the memory: an encoder needs up to one
	// megabyte, or several for brotli. Responses beyond are sent as they are.
	mostGzip   = 1024
	mostBrotli = 128
)

// Coder compresses responses. The nil Coder compresses nothing.
type Coder struct {
	// codings are tried in this order: brotli is smaller.
	codings []*coding
}

// coding is one content coding (RFC 9110 section 8.4.1).
type coding struct {
	name  string
	least int64
	all   bool
	types map[string]struct{}
	// disable matches user agents that get nothing compressed; nil for none.
	disable *pattern.Pattern

	free  sync.Pool // of *Stream
	room  int64
	inUse atomic.Int64
}

// New returns a Coder, or nil if nothing is to be compressed. What cannot be understood is reported; the rest works.
func New(s ir.CompressionSettings) (*Coder, error) {
	c := &Coder{}
	var err error
	if s.Brotli.On {
		b := newCoding("br", &s.Brotli, mostBrotli)
		level := s.Brotli.Level
		b.free.New = func() any {
			return &Stream{encoder: brotli.NewWriterOptions(nil, brotli.WriterOptions{Quality: level, LGWin: window})}
		}
		c.codings = append(c.codings, b)
	}
	if s.Gzip.On {
		g := newCoding("gzip", &s.Gzip, mostGzip)
		if s.GzipDisable != "" {
			if g.disable, err = pattern.Compile(s.GzipDisable, true); err != nil {
				err = fmt.Errorf("gzip-disable: %w", err)
			}
		}
		level := s.Gzip.Level
		g.free.New = func() any {
			w, err := gzip.NewWriterLevel(nil, level)
			if err != nil { // a level that there is not
				w = gzip.NewWriter(nil)
			}
			return &Stream{encoder: w}
		}
		c.codings = append(c.codings, g)
	}
	if len(c.codings) == 0 {
		return nil, err
	}
	return c, err
}

// newCoding returns a coding without encoders.
func newCoding(name string, s *ir.CodingSettings, room int64) *coding {
	c := &coding{name: name, least: s.MinLength, types: make(map[string]struct{}, len(s.Types)+1), room: room}
	c.types["text/html"] = struct{}{} // nginx: always
	for _, t := range s.Types {
		c.all = c.all || t == "*"
		c.types[strings.ToLower(t)] = struct{}{}
	}
	return c
}

// Wrap prepares the head of the response in x, which has not been sent, and returns the stream that its body is to be written to
// and finished with, or nil if the response stays as it is.
func (c *Coder) Wrap(x *filter.Exchange) *Stream {
	if c == nil || !eligible(x) {
		return nil
	}
	varies := false
	for _, coding := range c.codings {
		if !coding.fits(x) {
			continue
		}
		if !varies {
			varies = true
			addVary(x)
		}
		if accepts(x.Request.Fields.All(), coding.name) {
			if s := coding.begin(x); s != nil {
				return s
			}
		}
	}
	return nil
}

// eligible reports whether a response may be compressed at all.
func eligible(x *filter.Exchange) bool {
	r := &x.Response
	if r.Status != 200 && r.Status != 403 && r.Status != 404 || r.Length == 0 ||
		x.Request.Method == "HEAD" || x.Request.Major == 1 && x.Request.Minor == 0 {
		return false
	}
	for _, f := range r.Fields.All() {
		switch {
		case f.ID == wire.CacheControl:
			if wire.HasToken(f.Value, "no-transform") {
				return false
			}
		case f.ID == wire.Other && (wire.EqualFold(f.Name, "Content-Encoding") || wire.EqualFold(f.Name, "Content-Range")):
			return false
		}
	}
	return true
}

// fits reports whether a response is one that the coding is for.
func (c *coding) fits(x *filter.Exchange) bool {
	if n := x.Response.Length; n != wire.Unknown && n < c.least {
		return false
	}
	kind, _, _ := strings.Cut(x.Response.Fields.Value(wire.ContentType), ";")
	kind = strings.TrimSpace(kind)
	if strings.HasPrefix(kind, "application/grpc") {
		return false
	}
	if _, ok := c.types[kind]; !ok && !c.all {
		if _, ok = c.types[strings.ToLower(kind)]; !ok {
			return false
		}
	}
	if c.disable != nil {
		if agent, ok := x.Request.Fields.Get(wire.UserAgent); ok {
			if found, err := c.disable.Find(agent, nil); found || err != nil {
				return false
			}
		}
	}
	return true
}

// accepts reports whether a client names a coding in Accept-Encoding, with a weight other than 0.
func accepts(fields []wire.Field, name string) bool {
	for i := range fields {
		if fields[i].ID != wire.AcceptEncoding {
			continue
		}
		for e, rest := wire.NextToken(fields[i].Value); e != ""; e, rest = wire.NextToken(rest) {
			coding, weight, _ := strings.Cut(e, ";")
			if wire.EqualFold(strings.TrimSpace(coding), name) {
				return !isZero(weight)
			}
		}
	}
	return false
}

// isZero reports whether a weight such as "q=0.00" is 0 (RFC 9110 section 12.4.2).
func isZero(weight string) bool {
	_, digits, ok := strings.Cut(weight, "=")
	return ok && strings.Trim(digits, "0. \t") == "" && strings.Contains(digits, "0")
}

// addVary says that the response depends on Accept-Encoding.
func addVary(x *filter.Exchange) {
	for _, f := range x.Response.Fields.All() {
		if f.ID == wire.Vary && (wire.HasToken(f.Value, "Accept-Encoding") || f.Value == "*") {
			return
		}
	}
	x.Response.Fields.AddKnown(wire.Vary, "Accept-Encoding")
}
