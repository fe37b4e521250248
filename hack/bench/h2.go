package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// HTTP/2 as the generator and the gRPC backend speak it: just enough of it, and cheap, so that neither is the limit.

// grpcHead is what a gRPC message begins with (not compressed, length), grpcMessage the whole message that is sent to and fro.
var grpcMessage = append([]byte{0, 0, 0, 0, 32}, bytes.Repeat([]byte("y"), 32)...)

// ampleWindow is the window that both sides open, in bytes: it never has to be opened again within a round.
const ampleWindow = 1 << 30

// h2link is one end of an HTTP/2 connection. It belongs to one goroutine.
type h2link struct {
	r       *bufio.Reader
	w       *bufio.Writer
	encoder *hpack.Encoder
	block   bytes.Buffer // what encoder wrote
	decoder *hpack.Decoder
	payload []byte

	window  int64 // what the other side takes on the connection
	initial int64 // and on a stream at its begin
	streams map[uint32]*h2stream
	waiting []h2data // for one of the windows
}

// h2stream is what an end knows about a stream.
type h2stream struct {
	id     uint32
	window int64 // what the other side still takes
	got    int   // bytes of DATA so far
	path   string
	status string // of HTTP, then of gRPC
	slot   *slot  // of the generator
	open   bool   // the backend has sent a head
}

// h2data is a DATA frame that waits for a window.
type h2data struct {
	stream *h2stream
	data   []byte
	end    bool
}

// newH2 begins a connection; the client's preface is written or was read already.
func newH2(c net.Conn) *h2link {
	l := &h2link{
		r: bufio.NewReaderSize(c, 64<<10), w: bufio.NewWriterSize(c, 64<<10), decoder: hpack.NewDecoder(4096, nil),
		window: 65535, initial: 65535, streams: map[uint32]*h2stream{},
	}
	l.encoder = hpack.NewEncoder(&l.block)
	settings := binary.BigEndian.AppendUint16(nil, uint16(http2.SettingInitialWindowSize))
	l.frame(http2.FrameSettings, 0, 0, binary.BigEndian.AppendUint32(settings, ampleWindow))
	l.frame(http2.FrameWindowUpdate, 0, 0, binary.BigEndian.AppendUint32(nil, ampleWindow-65535))
	return l
}

// frame writes a frame into the buffer.
func (l *h2link) frame(kind http2.FrameType, flags http2.Flags, id uint32, payload []byte) {
	head := [9]byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), byte(kind), byte(flags)}
	binary.BigEndian.PutUint32(head[5:], id)
	_, _ = l.w.Write(head[:]) // errors stick and come with Flush
	_, _ = l.w.Write(payload)
}

// headers writes a head; pairs are names and values in turn.
func (l *h2link) headers(id uint32, end bool, pairs ...string) {
	l.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		_ = l.encoder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}) // into memory
	}
	flags := http2.FlagHeadersEndHeaders
	if end {
		flags |= http2.FlagHeadersEndStream
	}
	l.frame(http2.FrameHeaders, flags, id, l.block.Bytes())
}

// data writes a DATA frame, as soon as the windows allow.
func (l *h2link) data(s *h2stream, data []byte, end bool) {
	if len(l.waiting) > 0 || int64(len(data)) > min(l.window, s.window) {
		l.waiting = append(l.waiting, h2data{s, bytes.Clone(data), end})
		return
	}
	l.window -= int64(len(data))
	s.window -= int64(len(data))
	flags := http2.Flags(0)
	if end {
		flags = http2.FlagDataEndStream
	}
	l.frame(http2.FrameData, flags, s.id, data)
}

// resume writes what has waited for a window.
func (l *h2link) resume() {
	waiting := l.waiting
	l.waiting = nil
	for _, d := range waiting {
		l.data(d.stream, d.data, d.end)
	}
}

// next reads frames until one is about a stream, and returns it: HEADERS (decoded by then), DATA or an error. What is
// buffered for writing is sent whenever nothing more has come.
func (l *h2link) next() (kind http2.FrameType, s *h2stream, end bool, payload []byte, err error) {
	for {
		if l.r.Buffered() == 0 {
			if err := l.w.Flush(); err != nil {
				return 0, nil, false, nil, err
			}
		}
		var head [9]byte
		if _, err := io.ReadFull(l.r, head[:]); err != nil {
			return 0, nil, false, nil, err
		}
		length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		if length > cap(l.payload) {
			l.payload = make([]byte, length)
		}
		payload = l.payload[:length]
		if _, err := io.ReadFull(l.r, payload); err != nil {
			return 0, nil, false, nil, err
		}
		kind, flags, id := http2.FrameType(head[3]), http2.Flags(head[4]), binary.BigEndian.Uint32(head[5:])&(1<<31-1)
		switch kind {
		case http2.FrameHeaders, http2.FrameData:
			s, err := l.about(kind, flags, id, &payload)
			return kind, s, flags.Has(http2.FlagDataEndStream), payload, err
		default:
			if err := l.control(kind, flags, id, payload); err != nil {
				return 0, nil, false, nil, err
			}
		}
	}
}

// about finds the stream of a HEADERS or DATA frame, removes padding and decodes a head.
func (l *h2link) about(kind http2.FrameType, flags http2.Flags, id uint32, payload *[]byte) (*h2stream, error) {
	s := l.streams[id]
	if s == nil {
		s = &h2stream{id: id, window: l.initial}
		l.streams[id] = s
	}
	p := *payload
	if flags.Has(http2.FlagDataPadded) {
		p = p[1 : len(p)-int(p[0])]
	}
	if *payload = p; kind == http2.FrameData {
		return s, nil
	}
	if flags.Has(http2.FlagHeadersPriority) {
		p = p[5:]
	}
	if !flags.Has(http2.FlagHeadersEndHeaders) {
		return s, fmt.Errorf("a head of more than one frame")
	}
	l.decoder.SetEmitFunc(func(f hpack.HeaderField) {
		switch f.Name {
		case ":status", "grpc-status":
			s.status = f.Value
		case ":path":
			s.path = f.Value
		}
	})
	_, err := l.decoder.Write(p)
	if err == nil {
		err = l.decoder.Close()
	}
	return s, err
}

// control does what the other frames ask for.
func (l *h2link) control(kind http2.FrameType, flags http2.Flags, id uint32, payload []byte) error {
	switch kind {
	case http2.FrameSettings:
		if flags.Has(http2.FlagSettingsAck) {
			return nil
		}
		for ; len(payload) >= 6; payload = payload[6:] {
			value := binary.BigEndian.Uint32(payload[2:])
			switch http2.SettingID(binary.BigEndian.Uint16(payload)) {
			case http2.SettingInitialWindowSize:
				for _, s := range l.streams {
					s.window += int64(value) - l.initial
				}
				l.initial = int64(value)
			case http2.SettingHeaderTableSize:
				l.encoder.SetMaxDynamicTableSizeLimit(value)
			}
		}
		l.frame(http2.FrameSettings, http2.FlagSettingsAck, 0, nil)
		l.resume()
	case http2.FramePing:
		if !flags.Has(http2.FlagPingAck) {
			l.frame(http2.FramePing, http2.FlagPingAck, 0, payload)
		}
	case http2.FrameWindowUpdate:
		more := int64(binary.BigEndian.Uint32(payload))
		if id == 0 {
			l.window += more
		} else if s := l.streams[id]; s != nil {
			s.window += more
		}
		l.resume()
	case http2.FrameGoAway:
		return fmt.Errorf("GOAWAY %v %q", http2.ErrCode(binary.BigEndian.Uint32(payload[4:])), payload[8:])
	case http2.FrameRSTStream:
		return fmt.Errorf("RST_STREAM %v", http2.ErrCode(binary.BigEndian.Uint32(payload)))
	}
	return nil
}
