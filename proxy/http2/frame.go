package http2

import "encoding/binary"

// Frames are read and written here rather than by golang.org/x/net/http2's Framer: that keeps 16 KiB of
// buffer for every idle connection, allocates an object for each HEADERS and WINDOW_UPDATE frame and copies payloads
// twice. Its tests are our clients.

// preface is what a client begins with (RFC 9113 section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Sizes of frames, in bytes (RFC 9113 sections 4.1 and 4.2). We never announce more than the minimum that
// everybody must accept: larger frames only hold up others.
const (
	headerSize = 9
	maxPayload = 16 << 10
)

// frameType is what a frame is about (RFC 9113 section 6).
type frameType uint8

const (
	frameData frameType = iota
	frameHeaders
	framePriority
	frameReset
	frameSettings
	framePushPromise
	framePing
	frameGoAway
	frameWindowUpdate
	frameContinuation
)

// The flags of frames that have some.
const (
	flagEndStream  = 0x1 // DATA, HEADERS
	flagAck        = 0x1 // SETTINGS, PING
	flagEndHeaders = 0x4 // HEADERS, CONTINUATION
	flagPadded     = 0x8 // DATA, HEADERS
	flagPriority   = 0x20
)

// errCode is why a stream or connection ended (RFC 9113 section 7).
type errCode uint32

const (
	codeNone errCode = iota
	codeProtocol
	codeInternal
	codeFlowControl
	codeSettingsTimeout
	codeStreamClosed
	codeFrameSize
	codeRefused
	codeCancel
	codeCompression
	codeConnect
	codeCalm
)

// The parameters of SETTINGS (RFC 9113 section 6.5.2, RFC 8441 section 3).
const (
	settingTableSize       = 1
	settingPush            = 2
	settingStreams         = 3
	settingWindow          = 4
	settingFrameSize       = 5
	settingHeaderListSize  = 6
	settingConnectProtocol = 8
)

const (
	// defaultWindow is the window of streams and connections before anybody says otherwise, in bytes.
	defaultWindow = 65535
	// maxWindow is the largest a window may get.
	maxWindow = 1<<31 - 1
)

// frame is a frame that was read. The payload points into the buffer of the connection.
type frame struct {
	kind    frameType
	flags   uint8
	stream  uint32
	payload []byte
}

// has reports whether a flag is set.
func (f *frame) has(flag uint8) bool { return f.flags&flag != 0 }

// unpad takes the padding off a payload. It is false if there is more padding than payload.
func (f *frame) unpad() ([]byte, bool) {
	p := f.payload
	if !f.has(flagPadded) {
		return p, true
	}
	if len(p) == 0 || int(p[0]) >= len(p) {
		return nil, false
	}
	return p[1 : len(p)-int(p[0])], true
}

// block takes padding and priority off the payload of HEADERS. parent is the stream that the priority names, 0 for none.
func (f *frame) block() (block []byte, parent uint32, code errCode) {
	block, ok := f.unpad()
	if !ok {
		return nil, 0, codeProtocol
	}
	if f.has(flagPriority) {
		if len(block) < 5 {
			return nil, 0, codeFrameSize
		}
		parent = binary.BigEndian.Uint32(block) & (1<<31 - 1)
		block = block[5:]
	}
	return block, parent, codeNone
}

// goAway returns the last stream that a GOAWAY names.
func (f *frame) goAway() (last uint32, code errCode) {
	switch {
	case f.stream != 0:
		return 0, codeProtocol
	case len(f.payload) < 8:
		return 0, codeFrameSize
	}
	return binary.BigEndian.Uint32(f.payload) & (1<<31 - 1), codeNone
}

// appendHeader appends the header of a frame whose payload has n bytes.
func appendHeader(b []byte, n int, kind frameType, flags uint8, stream uint32) []byte {
	return append(b, byte(n>>16), byte(n>>8), byte(n), byte(kind), flags,
		byte(stream>>24), byte(stream>>16), byte(stream>>8), byte(stream))
}

// appendSetting appends a parameter of a SETTINGS frame.
func appendSetting(b []byte, id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, id), value)
}

// appendWindowUpdate appends a WINDOW_UPDATE frame.
func appendWindowUpdate(b []byte, stream uint32, n int64) []byte {
	return binary.BigEndian.AppendUint32(appendHeader(b, 4, frameWindowUpdate, 0, stream), uint32(n))
}

// appendReset appends a RST_STREAM frame.
func appendReset(b []byte, stream uint32, code errCode) []byte {
	return binary.BigEndian.AppendUint32(appendHeader(b, 4, frameReset, 0, stream), uint32(code))
}

// appendGoAway appends a GOAWAY frame.
func appendGoAway(b []byte, last uint32, code errCode) []byte {
	b = binary.BigEndian.AppendUint32(appendHeader(b, 8, frameGoAway, 0, 0), last)
	return binary.BigEndian.AppendUint32(b, uint32(code))
}

// appendPing appends a PING frame.
func appendPing(b []byte, flags uint8, data []byte) []byte {
	return append(appendHeader(b, 8, framePing, flags, 0), data...)
}

// appendBlock appends a header block as HEADERS and as many CONTINUATION frames as it takes.
func appendBlock(b []byte, stream uint32, flags uint8, block []byte) []byte {
	for kind := frameHeaders; ; kind = frameContinuation {
		n := min(len(block), maxPayload)
		if n == len(block) {
			flags |= flagEndHeaders
		}
		b = appendHeader(b, n, kind, flags, stream)
		b = append(b, block[:n]...)
		if block = block[n:]; len(block) == 0 {
			return b
		}
		flags = 0
	}
}
