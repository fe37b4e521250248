package basicauth

// Digest authentication (RFC 7616) as nginx's module has it: MD5 and the protection "auth", since that is what htdigest files
// are for. What the client shows is that it knows the hash in the file, for this nonce, this count, this method and this
// URI. A right answer to a nonce that is too old, of another replica, or used already is told so (stale), and the client
// answers again by itself, without asking its user.

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// DigestSpec is the filter that asks for a user and what shows that they know their password. It is comparable.
type DigestSpec struct {
	// Realm is what browsers show, and a part of what is hashed.
	Realm string
	// Secret is the full name of the Secret, for people.
	Secret string
	// Users is the htdigest file. Lines that cannot be read and those for other realms are passed over.
	Users Credentials
	// Except are prefixes of rule paths that are not guarded, joined by commas.
	Except string
}

var _ filter.Spec = DigestSpec{}

// Phase implements filter.Spec.
func (DigestSpec) Phase() filter.Phase { return filter.Access }

// String implements filter.Spec.
func (s DigestSpec) String() string {
	return fmt.Sprintf("digest-auth(realm %q, users of %s)", s.Realm, s.Secret)
}

// New implements filter.Spec.
func (s DigestSpec) New(env *filter.Env) (filter.Filter, error) {
	if excepted(env.Route.Path, s.Except) {
		return open{}, nil
	}
	type parsed struct {
		users map[string]string
		err   error
	}
	key := digestUsersKey{sha256.Sum256([]byte(s.Users)), s.Realm}
	p := filter.StateFor(env.State, key, func() parsed {
		users, _, err := readDigestFile(string(s.Users), s.Realm)
		return parsed{users, err}
	})
	if p.err != nil {
		return nil, fmt.Errorf("read users of Secret %q: %w", s.Secret, p.err)
	}
	return &digestGuard{
		users: p.users, realm: s.Realm, name: env.Route.Namespace + "/" + env.Route.Ingress,
		challenge: "Digest realm=" + quote(s.Realm) + `, qop="auth", algorithm=MD5, nonce="`,
		nonces:    filter.StateFor(env.State, noncesKey{}, newNonces),
	}, nil
}

// The keys of what is kept in filter.State.
type (
	digestUsersKey struct {
		file  [sha256.Size]byte
		realm string
	}
	noncesKey struct{}
)

// digestGuard asks for an answer to its challenge.
type digestGuard struct {
	// users are the hashes of user, realm and password.
	users map[string]string
	realm string
	// name is that of the Ingress: nonces are good for one.
	name string
	// challenge is WWW-Authenticate up to the nonce.
	challenge string
	nonces    *nonces
}

var _ filter.AccessFilter = (*digestGuard)(nil)

// AccessKind implements filter.AccessFilter.
func (*digestGuard) AccessKind() filter.AccessKind { return filter.ByCredentials }

// Request implements filter.Filter.
func (g *digestGuard) Request(x *filter.Exchange) filter.Action {
	stale := false
	if a, ok := digestAnswer(x); ok && g.proves(x, &a) {
		if g.nonces.use(a.nonce, a.count, x.Start, g.name) {
			x.User = a.username
			return filter.Continue
		}
		stale = true
	}
	b := append(x.Arena.Begin(), g.challenge...)
	b = append(g.nonces.appendNonce(b, x.Start, g.name), '"')
	if stale {
		b = append(b, ", stale=true"...)
	}
	challenge := x.Arena.End(b)
	x.Reply(401)
	x.Response.Fields.AddKnown(wire.WWWAuthenticate, challenge)
	return filter.Done
}

// nobody stands in for the hash of users that do not exist, so that they take the same time. What it says never counts: anybody
// can compute an answer with it.
const nobody = "00000000000000000000000000000000"

// proves reports whether an answer shows that the client knows the password of a user, for this request.
func (g *digestGuard) proves(x *filter.Exchange, a *answer) bool {
	if a.realm != g.realm || !sameURI(x, a.uri) {
		return false
	}
	hash, known := g.users[a.username]
	if !known {
		hash = nobody
	}
	right := equal(a.response, wire.View(expected(x, a, hash)))
	return right && known
}

// expected returns the right response to an answer's nonce (RFC 7616 section 3.4.1), in memory of the exchange that is not kept.
func expected(x *filter.Exchange, a *answer, hash string) []byte {
	b := append(x.Arena.Begin(), x.Request.Method...)
	b = append(append(b, ':'), a.uri...)
	action := md5.Sum(b)
	b = append(append(b[:0], hash...), ':')
	for _, part := range [...]string{a.nonce, a.nc, a.cnonce, "auth"} {
		b = append(append(b, part...), ':')
	}
	b = hex.AppendEncode(b, action[:])
	sum := md5.Sum(b)
	clear(b)
	return hex.AppendEncode(b[:0], sum[:])
}

// sameURI reports whether an answer is for the request that carries it. The URI may be absolute if that of the request was.
func sameURI(x *filter.Exchange, uri string) bool {
	r := &x.Request
	if uri == r.Target {
		return true
	}
	if r.Scheme == "" {
		return false
	}
	return uri == x.Arena.Concat(r.Scheme, "://", r.Authority, r.Target)
}

// equal compares texts in a time that does not tell where they differ.
func equal(a, b string) bool { return subtle.ConstantTimeCompare(wire.Bytes(a), wire.Bytes(b)) == 1 }
