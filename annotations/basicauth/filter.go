package basicauth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// Credentials is an htpasswd file. However it is printed, it does not show.
type Credentials string

// String implements fmt.Stringer.
func (Credentials) String() string { return "[hidden]" }

// GoString implements fmt.GoStringer.
func (Credentials) GoString() string { return "[hidden]" }

// MarshalText implements encoding.TextMarshaler.
func (Credentials) MarshalText() ([]byte, error) { return []byte("[hidden]"), nil }

// Spec is the filter that asks for a user and a password. It is comparable.
type Spec struct {
	// Realm is what browsers show.
	Realm string
	// Secret is the full name of the Secret, for people.
	Secret string
	// Users is the htpasswd file. Lines that cannot be read are passed over.
	Users Credentials
	// Except are prefixes of rule paths that are not guarded, joined by commas.
	Except string
}

var _ filter.Spec = Spec{}

// Phase implements filter.Spec.
func (Spec) Phase() filter.Phase { return filter.Access }

// String implements filter.Spec.
func (s Spec) String() string {
	return fmt.Sprintf("basic-auth(realm %q, users of %s)", s.Realm, s.Secret)
}

// New implements filter.Spec.
func (s Spec) New(env *filter.Env) (filter.Filter, error) {
	if excepted(env.Route.Path, s.Except) {
		return open{}, nil
	}
	type parsed struct {
		users *users
		err   error
	}
	// Many routes share a Secret, and few rebuilds change one: the file is read once.
	p := filter.StateFor(env.State, usersKey(sha256.Sum256([]byte(s.Users))), func() parsed {
		u, err := parseFile(string(s.Users))
		return parsed{u, err}
	})
	if p.err != nil {
		return nil, fmt.Errorf("read users of Secret %q: %w", s.Secret, p.err)
	}
	owner := queueKey{env.Route.Namespace, env.Route.Ingress}
	return &guard{
		users: p.users, challenge: "Basic realm=" + quote(s.Realm), ctx: env.Context,
		queue:  filter.StateFor(env.State, owner, func() *atomic.Int32 { return new(atomic.Int32) }),
		gate:   filter.StateFor(env.State, gateKey{}, newGate),
		memory: filter.StateFor(env.State, memoryKey{}, newMemory),
	}, nil
}

// The keys of what is kept in filter.State.
type (
	usersKey  [sha256.Size]byte
	queueKey  struct{ namespace, ingress string }
	gateKey   struct{}
	memoryKey struct{}
)

// quote writes a text as a quoted-string (RFC 9110 section 5.6.4). It has only printable ASCII.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// open is what stands in for the guard where there is none. It is no access filter, since it must not satisfy
// anybody.
type open struct{}

// Request implements filter.Filter.
func (open) Request(*filter.Exchange) filter.Action { return filter.Continue }

// guard asks for a user and a password.
type guard struct {
	users     *users
	challenge string
	ctx       context.Context
	queue     *atomic.Int32
	gate      *gate
	memory    *memory
}

var _ filter.AccessFilter = (*guard)(nil)

// AccessKind implements filter.AccessFilter.
func (*guard) AccessKind() filter.AccessKind { return filter.ByCredentials }

// Request implements filter.Filter.
func (g *guard) Request(x *filter.Exchange) filter.Action {
	user, password, ok := credentials(x)
	if ok {
		switch g.check(x, user, password) {
		case right:
			x.User = user
			return filter.Continue
		case overloaded:
			x.Reply(503)
			return filter.Done
		}
	}
	x.Reply(401)
	x.Response.Fields.AddKnown(wire.WWWAuthenticate, g.challenge)
	return filter.Done
}

// verdict is what became of a password.
type verdict uint8

const (
	wrong verdict = iota
	right
	overloaded
)

// check compares a password with the user's hash. For a user that does not exist it does the same work and forgets
// the result.
func (g *guard) check(x *filter.Exchange, user, password string) verdict {
	h, known := g.users.find(user)
	if !h.expensive() {
		if h.matches(password) && known {
			return right
		}
		return wrong
	}
	d := g.memory.digest(user, password, h.text)
	if g.memory.knows(d, x.Start) {
		return right // only known users are remembered
	}
	if !g.gate.enter(g.ctx, g.queue) {
		return overloaded
	}
	defer g.gate.leave()
	if !h.matches(password) || !known {
		return wrong
	}
	g.memory.remember(d, x.Start)
	return right
}

// Conceal is the filter that keeps the client's credentials from the Service, whether they were needed or not
// (satisfy: any). It runs before access control, so that what an authorization service says about Authorization
// (auth-response-headers) still counts.
type Conceal struct {
	// Except are prefixes of rule paths that are not guarded, joined by commas.
	Except string
}

var _ filter.Spec = Conceal{}

// Phase implements filter.Spec.
func (Conceal) Phase() filter.Phase { return filter.Limit }

// String implements filter.Spec.
func (s Conceal) String() string {
	return "conceal-authorization(except " + strconv.Quote(s.Except) + ")"
}

// New implements filter.Spec.
func (s Conceal) New(env *filter.Env) (filter.Filter, error) {
	if excepted(env.Route.Path, s.Except) {
		return open{}, nil
	}
	return conceal{}, nil
}

// conceal is the filter of Conceal.
type conceal struct{}

// Request implements filter.Filter.
func (conceal) Request(x *filter.Exchange) filter.Action {
	x.Override("Authorization", "")
	return filter.Continue
}
