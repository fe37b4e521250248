package jwt

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	library "github.com/golang-jwt/jwt/v5"
)

const (
	// maxKeySet is how long a key set may be, in bytes.
	maxKeySet = 1 << 20
	// maxKeys is how many keys it may hold.
	maxKeys = 100
	// minRSA and maxRSA are how long an RSA modulus may be, in bits. Shorter ones can be broken (RFC 7518 section 3.3), longer ones
	// take too long.
	minRSA, maxRSA = 2048, 8192
)

// algorithm is a signature algorithm of RFC 7518 section 3.1 or RFC 8037.
type algorithm struct {
	name string
	// kind is the kty of its keys, with the curve if that is what tells them apart.
	kind   string
	method library.SigningMethod
}

// algorithms are all that there are: each has a public and a private key. Whoever can check an HS256 token could make one; taking those,
// too, is how a public key became a password.
var algorithms = [...]algorithm{
	{"RS256", "RSA", library.SigningMethodRS256}, {"RS384", "RSA", library.SigningMethodRS384}, {"RS512", "RSA", library.SigningMethodRS512},
	{"PS256", "RSA", library.SigningMethodPS256}, {"PS384", "RSA", library.SigningMethodPS384}, {"PS512", "RSA", library.SigningMethodPS512},
	{"ES256", "EC P-256", library.SigningMethodES256}, {"ES384", "EC P-384", library.SigningMethodES384},
	{"ES512", "EC P-521", library.SigningMethodES512}, {"EdDSA", "OKP Ed25519", library.SigningMethodEdDSA},
}

// Algorithms is a set of signature algorithms, one bit each.
type Algorithms uint16

// String lists the names.
func (s Algorithms) String() string {
	var names []string
	for i := range algorithms {
		if s>>i&1 != 0 {
			names = append(names, algorithms[i].name)
		}
	}
	return strings.Join(names, " ")
}

// algorithmNamed returns the place of an algorithm. Names have one spelling (RFC 7515 section 4.1.1).
func algorithmNamed(name string) (place int, ok bool) {
	place = slices.IndexFunc(algorithms[:], func(a algorithm) bool { return a.name == name })
	return place, place >= 0
}

// algorithmsFor returns those that a kind of key fits.
func algorithmsFor(kind string) (set Algorithms) {
	for i := range algorithms {
		if algorithms[i].kind == kind {
			set |= 1 << i
		}
	}
	return set
}

// key is a public key.
type key struct {
	// id is its kid, or "" for none.
	id string
	// fits are the algorithms that it may check.
	fits   Algorithms
	public any
}

// keySet is the keys of an issuer. It is immutable; another content is another keySet, so that what was proven by one can be told
// from what was proven by another.
type keySet struct {
	keys []key
	// sum is the hash of its text.
	sum [sha256.Size]byte
}

var (
	errLong    = fmt.Errorf("it is longer than %d bytes", maxKeySet)
	errNoKeys  = errors.New(`it has no list "keys": want a JSON Web Key Set such as {"keys": [{"kty": "RSA", …}]}`)
	errTooMany = fmt.Errorf("it has more than %d keys", maxKeys)
	errUseless = errors.New("it has no key that can check a signature: want RSA keys of 2048 to 8192 bits, EC keys on P-256, P-384 or P-521, or Ed25519")
)

// parseKeySet reads a JSON Web Key Set (RFC 7517 section 5). Keys of other kinds and for other uses are passed over, as it asks for.
func parseKeySet(text []byte) (*keySet, error) {
	if len(text) > maxKeySet {
		return nil, errLong
	}
	object, err := readObject(text)
	if err != nil {
		return nil, err
	}
	list, ok := object["keys"].([]any)
	if !ok {
		return nil, errNoKeys
	}
	if len(list) > maxKeys {
		return nil, errTooMany
	}
	set := &keySet{sum: sha256.Sum256(text)}
	for _, v := range list {
		if members, ok := v.(map[string]any); ok {
			if k, ok := readKey(members); ok {
				set.keys = append(set.keys, k)
			}
		}
	}
	if len(set.keys) == 0 {
		return nil, errUseless
	}
	return set, nil
}

// readKey reads a key (RFC 7517 section 4). It is false for one that is not for checking signatures.
func readKey(members map[string]any) (k key, ok bool) {
	if use, has := members["use"]; has && use != "sig" {
		return key{}, false
	}
	if ops, has := members["key_ops"]; has {
		if list, _ := ops.([]any); !slices.Contains(list, any("verify")) {
			return key{}, false
		}
	}
	id, has := members["kid"]
	if k.id, ok = id.(string); has && !ok {
		return key{}, false
	}
	kind, _ := members["kty"].(string)
	if curve, has := members["crv"].(string); has {
		kind += " " + curve
	}
	if k.public, ok = readPublic(kind, members); !ok {
		return key{}, false
	}
	k.fits = algorithmsFor(kind)
	if name, has := members["alg"]; has {
		text, _ := name.(string)
		place, known := algorithmNamed(text)
		if !known {
			return key{}, false
		}
		k.fits &= 1 << place
	}
	return k, k.fits != 0
}

// readPublic reads the public part of a key of some kind. A private part is not looked at.
func readPublic(kind string, members map[string]any) (public any, ok bool) {
	number := func(name string) []byte {
		text, _ := members[name].(string)
		b, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(text, "="))
		if err != nil {
			return nil
		}
		return b
	}
	switch kind {
	case "RSA":
		return rsaKey(number("n"), number("e"))
	case "EC P-256":
		return pointOn(elliptic.P256(), number("x"), number("y"))
	case "EC P-384":
		return pointOn(elliptic.P384(), number("x"), number("y"))
	case "EC P-521":
		return pointOn(elliptic.P521(), number("x"), number("y"))
	case "OKP Ed25519":
		x := number("x")
		return ed25519.PublicKey(x), len(x) == ed25519.PublicKeySize
	}
	return nil, false
}

// rsaKey makes an RSA key of modulus and exponent (RFC 7518 section 6.3).
func rsaKey(modulus, exponent []byte) (*rsa.PublicKey, bool) {
	n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	if bits := n.BitLen(); bits < minRSA || bits > maxRSA || n.Bit(0) == 0 || e.BitLen() > 31 || e.Int64() < 3 || e.Bit(0) == 0 {
		return nil, false
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, true
}

// pointOn makes an EC key of a point, which must lie on the curve (RFC 7518 section 6.2).
func pointOn(curve elliptic.Curve, x, y []byte) (*ecdsa.PublicKey, bool) {
	size := (curve.Params().BitSize + 7) / 8
	if len(x) != size || len(y) != size {
		return nil, false
	}
	k, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
	return k, err == nil
}
