package h2raw

import (
	"encoding/binary"
	"strings"
)

// What a client expects of the frames of a server. Each check names the section it comes from.

// take acts on a frame.
func (c *Conn) take(f Frame) {
	c.tb.Helper()
	if c.frames++; c.frames == 1 && (f.Type != Settings || f.Has(Ack)) {
		c.wrong("3.4", "the first frame is of type %d", f.Type)
	}
	if len(f.Payload) > 16384 {
		c.wrong("4.2", "a frame of %d bytes", len(f.Payload))
	}
	if f.Stream>>31 != 0 {
		c.wrong("4.1", "the reserved bit is set")
	}
	wants := f.Type == Data || f.Type == Headers || f.Type == Reset || f.Type == Continuation
	forbids := f.Type == Settings || f.Type == Ping || f.Type == GoAway
	if wants && f.Stream == 0 || forbids && f.Stream != 0 {
		c.wrong("6", "a frame of type %d on stream %d", f.Type, f.Stream)
	}
	switch f.Type {
	case Data:
		c.takeData(f)
	case Headers:
		c.takeHead(f)
	case Reset:
		a := c.At(f.Stream)
		if a.Reset {
			c.wrong("5.4.2", "stream %d was reset twice", f.Stream)
		}
		a.Reset, a.Code = true, Code(binary.BigEndian.Uint32(f.Payload))
	case Settings:
		c.takeSettings(f)
	case Ping:
		if f.Has(Ack) {
			c.Pongs++
			c.Pings = append(c.Pings, string(f.Payload))
		} else if !c.Mute {
			c.Send(Frame{Type: Ping, Flags: Ack, Payload: f.Payload})
		}
	case GoAway:
		last := binary.BigEndian.Uint32(f.Payload)
		if n := len(c.GoAways); n > 0 && last > c.GoAways[n-1] {
			c.wrong("6.8", "GOAWAY with %d after %d", last, c.GoAways[n-1])
		}
		c.GoAways = append(c.GoAways, last)
		c.Code = Code(binary.BigEndian.Uint32(f.Payload[4:]))
	case WindowUpdate:
		n := binary.BigEndian.Uint32(f.Payload)
		if n == 0 || n>>31 != 0 {
			c.wrong("6.9", "a window update of %d", n)
		}
		c.Granted[f.Stream] += int(n)
	default:
		c.wrong("6", "a frame of type %d from a server", f.Type)
	}
}

// takeSettings takes SETTINGS.
func (c *Conn) takeSettings(f Frame) {
	if f.Has(Ack) {
		if c.Acks++; len(f.Payload) > 0 {
			c.wrong("6.5", "an acknowledgement with a payload")
		}
		return
	}
	if len(f.Payload)%6 != 0 {
		c.wrong("6.5", "SETTINGS of %d bytes", len(f.Payload))
		return
	}
	for p := f.Payload; len(p) > 0; p = p[6:] {
		id, value := binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:])
		if id == EnablePush && value != 0 || id == InitialWindowSize && value>>31 != 0 || id == MaxFrameSize && (value < 16384 || value >= 1<<24) {
			c.wrong("6.5.2", "setting %d is %d", id, value)
		}
		c.Settings[id] = value
	}
	if !c.Mute {
		c.Send(Frame{Type: Settings, Flags: Ack})
	}
}

// takeData takes a piece of a body.
func (c *Conn) takeData(f Frame) {
	a := c.At(f.Stream)
	switch {
	case a.Done || a.Reset:
		c.wrong("5.1", "DATA on stream %d after its end", f.Stream)
	case a.Status == "":
		c.wrong("8.1", "DATA on stream %d before its head", f.Stream)
	}
	n := len(f.Payload)
	c.windows[-1] -= n
	c.windows[int(f.Stream)] = c.window(f.Stream) - n
	if n > 0 && (c.windows[-1] < 0 || c.windows[int(f.Stream)] < 0) {
		c.wrong("6.9.1", "%d bytes on stream %d, beyond the window", n, f.Stream)
	}
	data := f.Payload
	if f.Has(Padded) {
		if len(data) == 0 || int(data[0]) >= len(data) {
			c.wrong("6.1", "more padding than payload")
			return
		}
		data = data[1 : len(data)-int(data[0])]
	}
	a.Body = append(a.Body, data...)
	a.Frames++
	a.Done = a.Done || f.Has(EndStream)
	if n > 0 && !c.Stingy {
		c.Send(Window(0, uint32(n)))
		if !a.Done {
			c.Send(Window(f.Stream, uint32(n)))
		}
	}
}

// takeHead takes a head with its continuations.
func (c *Conn) takeHead(f Frame) {
	c.tb.Helper()
	if f.Has(Padded) || f.Has(HasPriority) {
		c.wrong("6.2", "padding or priority, which nobody needs from a server")
	}
	block, last := f.Payload, f.Has(EndHeaders)
	for !last {
		more, err := ReadFrame(c.r)
		if err != nil || more.Type != Continuation || more.Stream != f.Stream {
			c.wrong("6.10", "a head was cut short by a frame of type %d: %v", more.Type, err)
			return
		}
		block, last = append(block, more.Payload...), more.Has(EndHeaders)
	}
	fields, err := c.Dec.Decode(block)
	if err != nil {
		c.wrong("4.3", "%v", err)
		return
	}
	a := c.At(f.Stream)
	if f.Stream%2 == 0 || a.Done || a.Reset {
		c.wrong("5.1", "a head on stream %d", f.Stream)
	}
	c.checkFields(fields)
	a.Done = f.Has(EndStream)
	switch {
	case len(fields) > 0 && fields[0].Name == ":status" && a.Status == "":
		if status := fields[0].Value; status[0] == '1' {
			a.Interim = append(a.Interim, status)
			break
		}
		a.Status, a.Fields = fields[0].Value, fields[1:]
	case a.Status == "" || !a.Done:
		c.wrong("8.1", "a head on stream %d without :status, or trailers without an end: %v", f.Stream, fields)
	default:
		a.Trailers = fields
	}
}

// checkFields looks for what no message may have (sections 8.2 and 8.3).
func (c *Conn) checkFields(fields []Field) {
	c.tb.Helper()
	for i, f := range fields {
		switch {
		case strings.HasPrefix(f.Name, ":") && (i > 0 || f.Name != ":status"):
			c.wrong("8.3", "a pseudo-header field %s in place %d", f.Name, i)
		case f.Name == "" || strings.ToLower(f.Name) != f.Name || strings.ContainsAny(f.Name[1:], " :\r\n\x00"):
			c.wrong("8.2.1", "a field called %q", f.Name)
		case strings.ContainsAny(f.Value, "\r\n\x00") || strings.Trim(f.Value, " \t") != f.Value:
			c.wrong("8.2.1", "%s: %q", f.Name, f.Value)
		}
		switch f.Name {
		case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
			c.wrong("8.2.2", "a field called %q", f.Name)
		}
	}
}
