package e2e

import (
	"testing"

	"github.com/yettproxy/yett/e2e/h2raw"
)

// open sends a head without its end.
func open(c *h2raw.Conn, stream uint32, more ...string) {
	f := h2raw.HeadersFrame(stream, true, c.Enc.Block(h2raw.Fields(lines("GET", "/", more...)...)...))
	f.Flags &^= h2raw.EndHeaders
	c.Send(f)
}

// upload begins a request whose body is still to come.
func upload(c *h2raw.Conn, stream uint32, more ...string) {
	c.Request(stream, false, lines("POST", "/", more...)...)
}

// waiting begins a request whose answer takes long.
func waiting(c *h2raw.Conn, stream uint32) { c.Request(stream, true, lines("GET", "/wait")...) }

// raw sends any frame.
func raw(kind h2raw.Type, flags uint8, stream uint32, payload string) func(c *h2raw.Conn) {
	return func(c *h2raw.Conn) {
		c.Send(h2raw.Frame{Type: kind, Flags: flags, Stream: stream, Payload: []byte(payload)})
	}
}

// after does one thing after the other.
func after(list ...func(c *h2raw.Conn)) func(c *h2raw.Conn) {
	return func(c *h2raw.Conn) {
		for _, do := range list {
			do(c)
		}
	}
}

const (
	badProtocol = "GOAWAY PROTOCOL_ERROR"
	badSize     = "GOAWAY FRAME_SIZE_ERROR"
	badFlow     = "GOAWAY FLOW_CONTROL_ERROR"
	badClosed   = "GOAWAY STREAM_CLOSED"
	badHead     = "GOAWAY COMPRESSION_ERROR"
)

func TestConformanceOfConnectionsAndFrames(t *testing.T) {
	begin := func(stream uint32) func(*h2raw.Conn) { return func(c *h2raw.Conn) { open(c, stream) } }
	first := func(c *h2raw.Conn) { upload(c, 1) }
	zeros := func(n int) string { return string(make([]byte, n)) }
	keep(t, []clause{
		{"§3.4/1", "the server begins with SETTINGS", false, func(c *h2raw.Conn) { c.Request(1, true, lines("GET", "/")...) }, "200"},
		{"§3.4/2", "SETTINGS may be sent at once, requests too", true, func(c *h2raw.Conn) {
			c.Write([]byte(h2raw.Preface))
			c.Send(h2raw.SettingsFrame())
			c.Request(1, true, lines("GET", "/")...)
		}, "200"},
		{"§3.4/3", "SETTINGS must come first", true, func(c *h2raw.Conn) {
			c.Write([]byte(h2raw.Preface))
			c.Send(h2raw.PingFrame(0, "12345678"))
		}, badProtocol},
		{"§3.4/4", "an acknowledgement is no first SETTINGS", true, func(c *h2raw.Conn) {
			c.Write([]byte(h2raw.Preface))
			c.Send(h2raw.Frame{Type: h2raw.Settings, Flags: h2raw.Ack})
		}, badProtocol},

		{"§4.1/1", "frames of unknown types are ignored", false, raw(0x16, 0, 0, "12345678"), ""},
		{"§4.1/2", "unknown flags are ignored", false, raw(h2raw.Ping, 0x16, 0, "12345678"), ""},
		{"§4.1/3", "the reserved bit is ignored", false, raw(h2raw.Ping, 0, 1<<31, "12345678"), ""},
		{"§4.2/1", "DATA of 16384 bytes", false, after(first, raw(h2raw.Data, h2raw.EndStream, 1, zeros(16384))), "200"},
		{"§4.2/2", "DATA of 16385 bytes", false, after(first, raw(h2raw.Data, h2raw.EndStream, 1, zeros(16385))), badSize},
		{"§4.2/3", "HEADERS of 16385 bytes", false, raw(h2raw.Headers, h2raw.EndHeaders, 1, zeros(16385)), badSize},
		{"§4.3/1", "a head that cannot be decoded", false, raw(h2raw.Headers, h2raw.EndHeaders|h2raw.EndStream, 1, "\x40"), badHead},
		{"§4.3/2", "PRIORITY within a head", false, after(begin(1), raw(h2raw.Priority, 0, 1, zeros(5))), badProtocol},
		{"§4.3/3", "HEADERS of another stream within a head", false, after(begin(1), begin(3)), badProtocol},
		{"§4.3/4", "an unknown frame within a head", false, after(begin(1), raw(0x16, 0, 0, "")), badProtocol},

		{"§6.1/1", "DATA on stream 0", false, raw(h2raw.Data, 0, 0, "x"), badProtocol},
		{"§6.1/2", "DATA with padding", false, after(first, raw(h2raw.Data, h2raw.Padded|h2raw.EndStream, 1, "\x03hello"+zeros(3))), "200"},
		{"§6.1/3", "more padding than payload", false, after(first, raw(h2raw.Data, h2raw.Padded|h2raw.EndStream, 1, "\x06hello")), badProtocol},
		{"§6.1/4", "padding without a length", false, after(first, raw(h2raw.Data, h2raw.Padded|h2raw.EndStream, 1, "")), badProtocol + "|" + badSize},
		{"§6.1/5", "DATA of nothing but padding", false, after(first, raw(h2raw.Data, h2raw.Padded|h2raw.EndStream, 1, "\x05"+zeros(5))), "200"},

		{"§6.2/1", "HEADERS without end, then another frame", false, after(begin(1), raw(h2raw.Ping, 0, 0, zeros(8))), badProtocol},
		{"§6.2/2", "HEADERS on stream 0", false, func(c *h2raw.Conn) { c.Request(0, true, lines("GET", "/")...) }, badProtocol},
		{"§6.2/3", "more padding than payload", false, raw(h2raw.Headers, h2raw.EndHeaders|h2raw.Padded, 1, "\x7f\x82"), badProtocol},
		{"§6.2/4", "HEADERS with padding and priority", false, func(c *h2raw.Conn) {
			block := c.Enc.Block(h2raw.Fields(lines("GET", "/")...)...)
			raw(h2raw.Headers, h2raw.EndHeaders|h2raw.EndStream|h2raw.Padded|h2raw.HasPriority, 1, "\x02\x80\x00\x00\x00\xff"+string(block)+zeros(2))(c)
		}, "200"},
		{"§6.2/5", "priority cut short", false, raw(h2raw.Headers, h2raw.EndHeaders|h2raw.EndStream|h2raw.HasPriority, 1, zeros(4)), badSize + "|" + badProtocol},

		{"§6.3/1", "PRIORITY on stream 0", false, raw(h2raw.Priority, 0, 0, zeros(5)), badProtocol},
		{"§6.3/2", "PRIORITY of 4 bytes", false, after(first, raw(h2raw.Priority, 0, 1, zeros(4))), "RST FRAME_SIZE_ERROR"},
		{"§6.3/3", "PRIORITY on an idle stream", false, raw(h2raw.Priority, 0, 7, zeros(5)), ""},

		{"§6.4/1", "RST_STREAM on stream 0", false, raw(h2raw.Reset, 0, 0, zeros(4)), badProtocol},
		{"§6.4/2", "RST_STREAM on an idle stream", false, raw(h2raw.Reset, 0, 1, zeros(4)), badProtocol},
		{"§6.4/3", "RST_STREAM of 3 bytes", false, after(first, raw(h2raw.Reset, 0, 1, zeros(3))), badSize},

		{"§6.5/1", "an acknowledgement with a payload", false, raw(h2raw.Settings, h2raw.Ack, 0, zeros(6)), badSize},
		{"§6.5/2", "SETTINGS on a stream", false, raw(h2raw.Settings, 0, 1, ""), badProtocol},
		{"§6.5/3", "SETTINGS of 3 bytes", false, raw(h2raw.Settings, 0, 0, zeros(3)), badSize},
		{"§6.5.2/1", "ENABLE_PUSH of 2", false, set(h2raw.EnablePush, 2), badProtocol},
		{"§6.5.2/2", "INITIAL_WINDOW_SIZE of 2^31", false, set(h2raw.InitialWindowSize, 1<<31), badFlow},
		{"§6.5.2/3", "MAX_FRAME_SIZE of 16383", false, set(h2raw.MaxFrameSize, 16383), badProtocol},
		{"§6.5.2/4", "MAX_FRAME_SIZE of 2^24", false, set(h2raw.MaxFrameSize, 1<<24), badProtocol},
		{"§6.5.2/5", "an unknown parameter", false, set(0xff, 7), ""},
		{"§6.5.3/1", "SETTINGS are acknowledged", false, func(c *h2raw.Conn) {
			c.Until(func() bool { return c.Acks == 1 })
			c.Send(h2raw.SettingsFrame(), h2raw.SettingsFrame(h2raw.Setting{ID: h2raw.MaxConcurrentStreams, Value: 100}))
			c.Until(func() bool { return c.Acks == 3 })
		}, ""},

		{"§6.6/1", "PUSH_PROMISE of a client", false, after(first, raw(h2raw.PushPromise, h2raw.EndHeaders, 1, "\x00\x00\x00\x02\x82")), badProtocol},

		{"§6.7/1", "PING is answered with what it brought", false, func(c *h2raw.Conn) {
			c.Send(h2raw.PingFrame(0, "h2raw\x00\xff!"))
			if c.Until(func() bool { return c.Pongs == 1 }) && c.Pings[0] != "h2raw\x00\xff!" {
				c.Conn().Close()
			}
		}, ""},
		{"§6.7/2", "an answer is not answered", false, func(c *h2raw.Conn) {
			c.Send(h2raw.PingFrame(h2raw.Ack, "unwanted"), h2raw.PingFrame(0, "wanted--"))
			if c.Until(func() bool { return c.Pongs == 1 }) && c.Pings[0] != "wanted--" {
				c.Conn().Close()
			}
		}, ""},
		{"§6.7/3", "PING on a stream", false, raw(h2raw.Ping, 0, 1, zeros(8)), badProtocol},
		{"§6.7/4", "PING of 6 bytes", false, raw(h2raw.Ping, 0, 0, zeros(6)), badSize},

		{"§6.8/1", "GOAWAY on a stream", false, raw(h2raw.GoAway, 0, 1, zeros(8)), badProtocol},
		{"§6.8/2", "GOAWAY of 7 bytes", false, raw(h2raw.GoAway, 0, 0, zeros(7)), badSize},
		{"§6.8/3", "GOAWAY, then requests", false, raw(h2raw.GoAway, 0, 0, zeros(8)), ""},

		{"§6.10/1", "a head in three frames", false, func(c *h2raw.Conn) {
			open(c, 1)
			raw(h2raw.Continuation, 0, 1, string(c.Enc.Block(h2raw.Field{Name: "x-a", Value: "b"})))(c)
			raw(h2raw.Continuation, h2raw.EndHeaders, 1, string(c.Enc.Block(h2raw.Field{Name: "x-b", Value: "c"})))(c)
		}, "200"},
		{"§6.10/2", "CONTINUATION after the end of a head", false, func(c *h2raw.Conn) {
			waiting(c, 1)
			raw(h2raw.Continuation, h2raw.EndHeaders, 1, "\x82")(c)
		}, badProtocol},
		{"§6.10/3", "CONTINUATION on stream 0", false, after(begin(1), raw(h2raw.Continuation, h2raw.EndHeaders, 0, "\x82")), badProtocol},
		{"§6.10/4", "CONTINUATION of another stream", false, after(begin(1), raw(h2raw.Continuation, h2raw.EndHeaders, 3, "\x82")), badProtocol},
		{"§6.10/5", "CONTINUATION of nothing", false, raw(h2raw.Continuation, h2raw.EndHeaders, 1, "\x82"), badProtocol},
		{"§6.10/6", "CONTINUATION after DATA", false, after(first, raw(h2raw.Data, 0, 1, "x"), raw(h2raw.Continuation, h2raw.EndHeaders, 1, "\x82")), badProtocol},

		{"§7/1", "an unknown code in GOAWAY", false, raw(h2raw.GoAway, 0, 0, "\x00\x00\x00\x00\x00\x00\x00\xff"), ""},
		{"§7/2", "an unknown code in RST_STREAM", false, after(first, raw(h2raw.Reset, 0, 1, "\x00\x00\x00\xff")), ""},
	})
}

// set sends one parameter.
func set(id uint16, value uint32) func(c *h2raw.Conn) {
	return func(c *h2raw.Conn) { c.Send(h2raw.SettingsFrame(h2raw.Setting{ID: id, Value: value})) }
}

// TestConformanceOfThePreface is §3.4 for clients that do not speak HTTP/2 at all. In cleartext they may speak HTTP/1.1.
func TestConformanceOfThePreface(t *testing.T) {
	c := conformant(t).ways()["TLS"](t)
	c.Write([]byte("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"))
	if got := c.End(); got != badProtocol {
		t.Errorf("got %s, want %s", got, badProtocol)
	}
}
