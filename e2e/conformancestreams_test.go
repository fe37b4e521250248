package e2e

import (
	"slices"
	"testing"

	"github.com/yettproxy/yett/e2e/h2raw"
)

func TestConformanceOfStreams(t *testing.T) {
	first := func(c *h2raw.Conn) { upload(c, 1) }
	slow := func(c *h2raw.Conn) { waiting(c, 1) }
	get := func(stream uint32) func(*h2raw.Conn) {
		return func(c *h2raw.Conn) { c.Request(stream, true, lines("GET", "/")...) }
	}
	over := func(c *h2raw.Conn) { // stream 1 is closed by both sides
		get(1)(c)
		c.Response(1)
		*c.At(1) = h2raw.Answer{}
	}
	gone := after(first, raw(h2raw.Reset, 0, 1, "\x00\x00\x00\x08"))
	keep(t, []clause{
		{"§5.1/1", "idle: DATA", false, raw(h2raw.Data, h2raw.EndStream, 1, "x"), badProtocol},
		{"§5.1/2", "idle: RST_STREAM", false, raw(h2raw.Reset, 0, 1, "\x00\x00\x00\x08"), badProtocol},
		{"§5.1/3", "idle: WINDOW_UPDATE", false, raw(h2raw.WindowUpdate, 0, 1, "\x00\x00\x00\x08"), badProtocol},
		{"§5.1/4", "idle: CONTINUATION", false, raw(h2raw.Continuation, h2raw.EndHeaders, 1, "\x82"), badProtocol},
		{"§5.1/5", "half-closed: DATA", false, after(slow, raw(h2raw.Data, h2raw.EndStream, 1, "x")), "RST STREAM_CLOSED"},
		{"§5.1/6", "half-closed: HEADERS", false, after(slow, get(1)), "RST STREAM_CLOSED|" + badClosed},
		{"§5.1/7", "half-closed: CONTINUATION", false, after(slow, raw(h2raw.Continuation, h2raw.EndHeaders, 1, "\x82")), badProtocol},
		{"§5.1/8", "half-closed: WINDOW_UPDATE, PRIORITY and RST_STREAM", false, after(slow, raw(h2raw.WindowUpdate, 0, 1, "\x00\x00\x00\x08"),
			raw(h2raw.Priority, 0, 1, "\x00\x00\x00\x00\x07"), raw(h2raw.Reset, 0, 1, "\x00\x00\x00\x08")), ""},
		{"§5.1/9", "reset by the client: DATA", false, after(gone, raw(h2raw.Data, h2raw.EndStream, 1, "x")), "RST STREAM_CLOSED|" + badClosed},
		{"§5.1/10", "reset by the client: HEADERS", false, after(gone, get(1)), badClosed},
		{"§5.1/11", "reset by the client: CONTINUATION", false, after(gone, raw(h2raw.Continuation, h2raw.EndHeaders, 1, "\x82")), badProtocol},
		{"§5.1/12", "closed: DATA", false, after(over, raw(h2raw.Data, h2raw.EndStream, 1, "x")), "RST STREAM_CLOSED"},
		{"§5.1/13", "closed: HEADERS", false, after(over, get(1)), badClosed},
		{"§5.1/14", "closed: CONTINUATION", false, after(over, raw(h2raw.Continuation, h2raw.EndHeaders, 1, "\x82")), badProtocol},
		{"§5.1/15", "closed: PRIORITY and WINDOW_UPDATE", false, after(over, raw(h2raw.Priority, 0, 1, "\x00\x00\x00\x00\x07"),
			raw(h2raw.WindowUpdate, 0, 1, "\x00\x00\x00\x08"), raw(h2raw.Reset, 0, 1, "\x00\x00\x00\x08")), ""},
		{"§5.1.1/1", "an even number", false, get(2), badProtocol},
		{"§5.1.1/2", "a number below one that was used", false, after(get(5), get(3)), badProtocol},
		{"§5.1.1/3", "numbers may be left out", false, after(get(1), get(101)), "200"},
		{"§5.1.2/1", "more streams than were allowed", false, func(c *h2raw.Conn) {
			n := c.Settings[h2raw.MaxConcurrentStreams]
			for i := range n {
				waiting(c, 3+2*i)
			}
			over := 3 + 2*n
			waiting(c, over)
			if got := c.Response(over).String(); got != "RST REFUSED_STREAM" {
				c.Conn().Close()
			}
			for i := range n {
				c.Send(h2raw.ResetFrame(3+2*i, h2raw.Cancel))
			}
		}, ""},
		{"§5.3.1/1", "HEADERS that depend on themselves", false, func(c *h2raw.Conn) {
			block := c.Enc.Block(h2raw.Fields(lines("GET", "/")...)...)
			raw(h2raw.Headers, h2raw.EndHeaders|h2raw.EndStream|h2raw.HasPriority, 1, "\x00\x00\x00\x01\x07"+string(block))(c)
		}, "RST PROTOCOL_ERROR"},
		{"§5.3.1/2", "PRIORITY that depends on itself", false, after(slow, raw(h2raw.Priority, 0, 1, "\x00\x00\x00\x01\x07")), "RST PROTOCOL_ERROR"},
		{"§5.4.1/1", "after an error GOAWAY names the last stream", false, func(c *h2raw.Conn) {
			get(7)(c)
			c.Response(7)
			raw(h2raw.Ping, 0, 3, "12345678")(c)
			if c.End(); !slices.Equal(c.GoAways, []uint32{7}) {
				c.Code = h2raw.InternalError
			}
		}, badProtocol},
		{"§5.5/1", "extension frames are ignored", false, after(first, raw(0x77, 0xff, 1, "whatever"), raw(h2raw.Data, h2raw.EndStream, 1, "")), "200"},
		{"§5.5/2", "but not within a head", false, after(func(c *h2raw.Conn) { open(c, 1) }, raw(0x77, 0, 1, "")), badProtocol},

		{"§6.9/1", "a window update of 0", false, raw(h2raw.WindowUpdate, 0, 0, "\x00\x00\x00\x00"), badProtocol},
		{"§6.9/2", "a window update of 0 on a stream", false, after(first, raw(h2raw.WindowUpdate, 0, 1, "\x00\x00\x00\x00")), "RST PROTOCOL_ERROR"},
		{"§6.9/3", "a window update of 3 bytes", false, raw(h2raw.WindowUpdate, 0, 0, "\x00\x00\x01"), badSize},
		{"§6.9/4", "the reserved bit is ignored", false, raw(h2raw.WindowUpdate, 0, 0, "\x80\x00\x00\x01"), ""},
		{"§6.9.1/1", "a window above 2^31-1", false, raw(h2raw.WindowUpdate, 0, 0, "\x7f\xff\xff\xff"), badFlow},
		{"§6.9.1/2", "a window of a stream above 2^31-1", false, after(first, raw(h2raw.WindowUpdate, 0, 1, "\x7f\xff\xff\xff")), "RST FLOW_CONTROL_ERROR"},
		{"§6.9.1/3", "a window of one byte", false, window(1, func(c *h2raw.Conn) {
			get(1)(c)
			c.Until(func() bool { return c.At(1).Frames > 0 })
			c.Stingy = false
			c.Send(h2raw.Window(1, 100))
		}), "200"},
		{"§6.9.2/1", "a first window that is changed later", false, window(0, func(c *h2raw.Conn) {
			get(1)(c)
			c.Until(func() bool { return c.At(1).Status != "" })
			set(h2raw.InitialWindowSize, 1)(c)
			c.Send(h2raw.Window(1, 100))
		}), "200"},
		{"§6.9.2/2", "a window that becomes negative", false, window(3, func(c *h2raw.Conn) {
			get(1)(c)
			c.Until(func() bool { return len(c.At(1).Body) == 3 })
			set(h2raw.InitialWindowSize, 2)(c) // one byte too many was sent
			c.Send(h2raw.Window(1, 2))
			c.Until(func() bool { return len(c.At(1).Body) == 4 })
			c.Send(h2raw.Window(1, 100))
		}), "200"},
		{"§6.9.2/3", "a first window that makes one too large", false, func(c *h2raw.Conn) {
			first(c)
			c.Send(h2raw.Window(1, 1<<30))
			set(h2raw.InitialWindowSize, 1<<31-1)(c)
		}, badFlow},
	})
}

// window sets the first window of streams, which the client then does not open again.
func window(n uint32, do func(c *h2raw.Conn)) func(c *h2raw.Conn) {
	return func(c *h2raw.Conn) {
		c.Stingy = true
		set(h2raw.InitialWindowSize, n)(c)
		c.Until(func() bool { return c.Acks == 2 })
		c.First(int(n))
		do(c)
		set(h2raw.InitialWindowSize, 1<<20)(c)
		c.First(1 << 20)
		c.Stingy = false
	}
}
