package filter

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/wire"
)

// What engines answer themselves, and what several packages read out of a request.

// Send writes the answer that Reply, ReplyText or RedirectTo has made. An error stays in the stream, whose owner looks; mostly it means that
// nobody is there to read it.
func (x *Exchange) Send() {
	if x.Stream.WriteHead(&x.Response) != nil {
		return
	}
	if _, err := x.Stream.Write(wire.Bytes(x.Body)); err == nil {
		_ = x.Stream.Finish(nil)
	}
}

// Refuse answers a request of HTTP/2 or HTTP/3 that is not served: with a page, unless its head was too large to go on with.
func (x *Exchange) Refuse(status int) {
	if status == http.StatusRequestHeaderFieldsTooLarge {
		x.ReplyText(status, "", "")
	} else {
		x.Reply(status)
	}
	x.Send()
}

// Hop counts a hop of a request whose Max-Forwards is hops, -1 for none (RFC 9110 section 7.6.2). It is false if the request goes no
// further: OPTIONS for the proxy itself, which it has answered then.
func (x *Exchange) Hop(hops int) (further bool) {
	options := x.Request.Method == http.MethodOptions
	switch {
	case x.Request.Target == "*", hops == 0 && options:
		x.ReplyText(http.StatusOK, "", "")
		x.Send()
		return false
	case hops > 0 && options:
		x.Overrides.AddKnown(wire.MaxForwards, x.Arena.End(strconv.AppendInt(x.Arena.Begin(), int64(hops-1), 10)))
	}
	return true
}

// Affinity returns the cookie called name that u has issued. Of several with the name the first that u issued counts: Services under
// different paths of one host may use the same name.
func (x *Exchange) Affinity(name string, u *upstream.Upstream) (c upstream.Cookie, ok bool) {
	fields := x.Request.Fields.All()
	for i := range fields {
		if fields[i].ID != wire.Cookie {
			continue
		}
		for rest := fields[i].Value; rest != ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			key, value, _ := strings.Cut(strings.TrimLeft(pair, " \t"), "=")
			if !wire.EqualFold(key, name) {
				continue
			}
			if c, ok := upstream.ParseCookie(strings.TrimRight(value, " \t")); ok && c.Owner == u.Hash() {
				return c, true
			}
		}
	}
	return upstream.Cookie{}, false
}
