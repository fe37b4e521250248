package extauth

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

const (
	// timeout is how long the service may take to answer, nginx's default.
	timeout = 60 * time.Second
	// maxBody and bodyTime are how much of the answer's body is read, so that the connection can be used again, and how long.
	maxBody  = 64 << 10
	bodyTime = time.Second
	// maxFields is how long all fields of an answer may be together.
	maxFields = 64 << 10
)

// answer is what the service said, as far as it matters.
type answer struct {
	status int
	// values are those of the fields that the upstream gets, in the order of Spec.ResponseHeaders, "" for none.
	values []string
	// authenticate and cookies are the values of WWW-Authenticate and Set-Cookie.
	authenticate, cookies []string
}

// failed is the answer of a service that gave none.
var failed = &answer{status: 500}

// AccessKind implements filter.AccessFilter.
func (*guard) AccessKind() filter.AccessKind { return filter.ByCredentials }

// Request implements filter.Filter.
func (g *guard) Request(x *filter.Exchange) filter.Action {
	if g.cache == nil {
		a, _ := g.ask(x)
		return g.follow(x, a)
	}
	d := g.digest(x)
	a := g.cache.get(d, x.Start)
	if a == nil {
		var keep time.Duration
		if a, keep = g.ask(x); keep > 0 {
			g.cache.put(d, a, time.Now().Add(keep))
		}
	}
	return g.follow(x, a)
}

// ask sends a request to the service. It also says for how long the answer may be remembered.
func (g *guard) ask(x *filter.Exchange) (*answer, time.Duration) {
	ctx, cancel := context.WithTimeout(g.ctx, timeout)
	defer cancel()
	req, err := g.request(ctx, x)
	if err != nil {
		return failed, 0
	}
	res, err := g.http.RoundTrip(req)
	if err != nil {
		return failed, 0
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusSwitchingProtocols {
		stop := time.AfterFunc(bodyTime, cancel)
		defer stop.Stop()
		_, _ = io.CopyN(io.Discard, res.Body, maxBody) // for the connection's sake; the verdict is in the head
	}
	if size(res.Header) > maxFields {
		return failed, 0
	}
	a := &answer{status: res.StatusCode, authenticate: res.Header["Www-Authenticate"], cookies: res.Header["Set-Cookie"]}
	for _, name := range g.spec.ResponseHeaders {
		a.values = append(a.values, strings.Join(res.Header.Values(name), ", "))
	}
	return a, lifetime(g.spec.CacheTimes, res.StatusCode, res.Header, time.Now())
}

// size returns how long fields are together, in bytes.
func size(h http.Header) (n int) {
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v)
		}
	}
	return n
}

// follow does what the service said.
func (g *guard) follow(x *filter.Exchange, a *answer) filter.Action {
	x.AuthCookies = append(x.AuthCookies, a.cookies...)
	switch {
	case a.status >= 200 && a.status < 300:
		for i, name := range g.spec.ResponseHeaders {
			x.Override(name, a.values[i])
		}
		return filter.Continue
	case a.status == 401 && g.signIn != nil:
		x.RedirectTo(302, g.signIn.location(x))
	case a.status == 401:
		x.Reply(401)
		for _, v := range a.authenticate {
			x.Response.Fields.AddKnown(wire.WWWAuthenticate, v)
		}
	case a.status == 403:
		x.Reply(403)
	default:
		x.Reply(500)
	}
	return filter.Done
}

// Response implements filter.ResponseFilter. It adds the service's cookies, unless the response is an error and nobody asked
// for them with those: nginx's add_header, with and without "always".
func (g *guard) Response(x *filter.Exchange) {
	if len(x.AuthCookies) == 0 {
		return
	}
	if !g.spec.AlwaysSetCookie {
		switch x.Response.Status {
		case 200, 201, 204, 206, 301, 302, 303, 304, 307, 308:
		default:
			return
		}
	}
	for _, v := range x.AuthCookies {
		x.Response.Fields.AddKnown(wire.SetCookie, v)
	}
}
