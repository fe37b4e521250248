package h2raw

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Preface is what a client begins with (RFC 9113 section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Type is what a frame is about (RFC 9113 section 6).
type Type uint8

// The types of frames.
const (
	Data         Type = 0x0
	Headers      Type = 0x1
	Priority     Type = 0x2
	Reset        Type = 0x3
	Settings     Type = 0x4
	PushPromise  Type = 0x5
	Ping         Type = 0x6
	GoAway       Type = 0x7
	WindowUpdate Type = 0x8
	Continuation Type = 0x9
)

// The flags of frames.
const (
	EndStream   = 0x01 // DATA, HEADERS
	Ack         = 0x01 // SETTINGS, PING
	EndHeaders  = 0x04 // HEADERS, CONTINUATION
	Padded      = 0x08 // DATA, HEADERS
	HasPriority = 0x20 // HEADERS
)

// Code is why a stream or a connection ended (RFC 9113 section 7).
type Code uint32

// The codes.
const (
	NoError Code = iota
	ProtocolError
	InternalError
	FlowControlError
	SettingsTimeout
	StreamClosed
	FrameSizeError
	RefusedStream
	Cancel
	CompressionError
	ConnectError
	EnhanceYourCalm
	InadequateSecurity
	HTTP11Required
)

// String returns the name as the RFC writes it.
func (c Code) String() string {
	names := [...]string{
		"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
		"REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
	}
	if int(c) < len(names) {
		return names[c]
	}
	return fmt.Sprintf("code %#x", uint32(c))
}

// The parameters of SETTINGS (RFC 9113 section 6.5.2, RFC 8441 section 3).
const (
	HeaderTableSize       uint16 = 0x1
	EnablePush            uint16 = 0x2
	MaxConcurrentStreams  uint16 = 0x3
	InitialWindowSize     uint16 = 0x4
	MaxFrameSize          uint16 = 0x5
	MaxHeaderListSize     uint16 = 0x6
	EnableConnectProtocol uint16 = 0x8
)

// Setting is a parameter with its value.
type Setting struct {
	ID    uint16
	Value uint32
}

// Frame is any frame, well formed or not. Stream may have the reserved bit set.
type Frame struct {
	Type    Type
	Flags   uint8
	Stream  uint32
	Payload []byte
}

// Append appends the frame as it goes over the wire.
func (f Frame) Append(b []byte) []byte {
	n := len(f.Payload)
	b = append(b, byte(n>>16), byte(n>>8), byte(n), byte(f.Type), f.Flags)
	return append(binary.BigEndian.AppendUint32(b, f.Stream), f.Payload...)
}

// Has reports whether a flag is set.
func (f Frame) Has(flag uint8) bool { return f.Flags&flag != 0 }

// ReadFrame reads the next frame.
func ReadFrame(r io.Reader) (Frame, error) {
	var head [9]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Frame{}, err
	}
	f := Frame{
		Type: Type(head[3]), Flags: head[4], Stream: binary.BigEndian.Uint32(head[5:]),
		Payload: make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2])),
	}
	if _, err := io.ReadFull(r, f.Payload); err != nil {
		return Frame{}, fmt.Errorf("read frame: cut short: %w", err)
	}
	return f, nil
}

// SettingsFrame returns a SETTINGS frame.
func SettingsFrame(list ...Setting) Frame {
	var p []byte
	for _, s := range list {
		p = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(p, s.ID), s.Value)
	}
	return Frame{Type: Settings, Payload: p}
}

// Window returns a WINDOW_UPDATE frame.
func Window(stream, n uint32) Frame {
	return Frame{Type: WindowUpdate, Stream: stream, Payload: binary.BigEndian.AppendUint32(nil, n)}
}

// ResetFrame returns a RST_STREAM frame.
func ResetFrame(stream uint32, code Code) Frame {
	return Frame{Type: Reset, Stream: stream, Payload: binary.BigEndian.AppendUint32(nil, uint32(code))}
}

// DataFrame returns a DATA frame.
func DataFrame(stream uint32, end bool, data []byte) Frame {
	f := Frame{Type: Data, Stream: stream, Payload: data}
	if end {
		f.Flags = EndStream
	}
	return f
}

// HeadersFrame returns a HEADERS frame with a whole block.
func HeadersFrame(stream uint32, end bool, block []byte) Frame {
	f := Frame{Type: Headers, Flags: EndHeaders, Stream: stream, Payload: block}
	if end {
		f.Flags |= EndStream
	}
	return f
}

// PriorityFrame returns a PRIORITY frame.
func PriorityFrame(stream, on uint32) Frame {
	return Frame{Type: Priority, Stream: stream, Payload: append(binary.BigEndian.AppendUint32(nil, on), 15)}
}

// PingFrame returns a PING frame.
func PingFrame(flags uint8, data string) Frame {
	return Frame{Type: Ping, Flags: flags, Payload: []byte(data)}
}
