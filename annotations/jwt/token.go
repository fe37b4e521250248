package jwt

import (
	"encoding/base64"
	"errors"
	"strings"
)

const (
	// maxToken is how long a token may be, in bytes.
	maxToken = 16 << 10
	// maxHead is how long the encoded head of a token may be: it is read before anything is proven.
	maxHead = 2 << 10
	// maxTries is how many keys are tried for a token that does not say which one it was signed with.
	maxTries = 5
)

// errToken says that a token is not to be believed. Clients are not told why.
var errToken = errors.New("the token is not valid")

// token is a token taken apart. Nothing of it is proven.
type token struct {
	// algorithm is the place of its algorithm among algorithms.
	algorithm int
	// keyID is its kid, or "" for none.
	keyID string
	// signed is the part that the signature is about, payload the encoded claims in it.
	signed, payload string
	signature       []byte
}

// parse takes a token apart: a JWS in its compact form (RFC 7515 section 7.1), with an algorithm out of a set. Extensions that it says must
// be understood are not (crit); members that would name the key's place (jku, x5u) or hold the key itself (jwk, x5c) have no say.
func parse(text string, allowed Algorithms) (token, error) {
	if len(text) > maxToken {
		return token{}, errToken
	}
	dot := strings.IndexByte(text, '.')
	last := strings.LastIndexByte(text, '.')
	if dot < 0 || dot == last || strings.IndexByte(text[dot+1:last], '.') >= 0 || dot > maxHead {
		return token{}, errToken
	}
	t := token{signed: text[:last], payload: text[dot+1 : last]}
	head, ok := decode(text[:dot])
	if !ok {
		return token{}, errToken
	}
	if t.signature, ok = decode(text[last+1:]); !ok {
		return token{}, errToken
	}
	members, err := readObject(head)
	if err != nil {
		return token{}, errToken
	}
	name, _ := members["alg"].(string)
	if t.algorithm, ok = algorithmNamed(name); !ok || allowed>>t.algorithm&1 == 0 {
		return token{}, errToken
	}
	if _, critical := members["crit"]; critical {
		return token{}, errToken
	}
	id, has := members["kid"]
	if t.keyID, ok = id.(string); has && !ok {
		return token{}, errToken
	}
	return t, nil
}

// prove looks for the key that a token was signed with. known says that the set holds the key which the token names, so that fetching the
// set anew would not help. A key without an id may be anybody's.
func (t *token) prove(set *keySet) (proven, known bool) {
	method, tries := algorithms[t.algorithm].method, 0
	for i := range set.keys {
		k := &set.keys[i]
		if t.keyID != "" && k.id == t.keyID {
			known = true
		} else if t.keyID != "" && k.id != "" {
			continue
		}
		if k.fits>>t.algorithm&1 == 0 {
			continue
		}
		if tries++; tries > maxTries {
			break
		}
		if method.Verify(t.signed, t.signature, k.public) == nil {
			return true, true
		}
	}
	return false, known
}

// decode reads base64url without padding (RFC 7515 section 2) of which each text has one spelling.
func decode(text string) ([]byte, bool) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, false // the decoder would skip them
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return b, err == nil
}
