package basicauth

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"

	"github.com/tg123/go-htpasswd"

	"github.com/yettproxy/yett/proxy/wire"
)

// The highest costs that are accepted: at these a check takes about a second. More would let anybody who
// may ask keep a core busy.
const (
	maxBcryptCost = 14
	maxSHARounds  = 1_000_000
)

// kind is how a password was hashed.
type kind uint8

const (
	plain  kind = iota // {PLAIN}
	sha                // {SHA} and {SSHA}
	des                // crypt(3) of old
	slowly             // apr1, MD5-crypt, bcrypt, SHA-crypt: by the library
)

// hash checks passwords against one hash. It is immutable.
type hash struct {
	kind kind
	// text is the hash as it was written.
	text string
	// sum is the digest that a plain password or its SHA must have.
	sum [sha256.Size]byte
	// salt is that of {SSHA}.
	salt string
	slow htpasswd.EncodedPasswd
}

// expensive reports whether a check takes long enough to be bounded and remembered.
func (h *hash) expensive() bool { return h.kind == slowly }

// matches reports whether a password is the right one, in a time that does not tell how nearly right it is.
func (h *hash) matches(password string) bool {
	switch h.kind {
	case plain:
		sum := sha256.Sum256(wire.Bytes(password))
		return subtle.ConstantTimeCompare(sum[:], h.sum[:]) == 1
	case sha:
		var room [256]byte
		sum := sha1.Sum(append(append(room[:0], password...), h.salt...))
		return subtle.ConstantTimeCompare(sum[:], h.sum[:sha1.Size]) == 1
	case des:
		return subtle.ConstantTimeCompare([]byte(desCrypt(password, h.text)), []byte(h.text)) == 1
	default:
		return h.slow.MatchesPassword(password)
	}
}

// why says why a hash is refused. The texts are constant, so that no part of a hash can get into them.
type why string

const (
	notAHash       why = "is not a hash that htpasswd writes; a password in the clear needs {PLAIN} before it"
	noHash         why = "has no hash"
	unknownScheme  why = "has a scheme that is neither {SHA}, {SSHA} nor {PLAIN}"
	brokenBase64   why = "has a {SHA} or {SSHA} hash that is not base 64, or too short"
	brokenMD5      why = "has a broken MD5 hash: want $apr1$salt$ or $1$salt$ and 22 characters"
	brokenBcrypt   why = "has a broken bcrypt hash: want $2y$, two digits, $ and 53 characters"
	bcrypt2x       why = "has a bcrypt hash of the faulty kind $2x$: hash the password anew"
	bcryptTooSlow  why = "has a bcrypt hash whose cost is above 14: hash the password with a cost of 10 to 12"
	brokenSHACrypt why = "has a broken SHA-crypt hash: want $5$salt$ and 43 characters, or $6$salt$ and 86"
	shaRounds      why = "has a SHA-crypt hash whose rounds are not between 1000 and 1000000"
	unknownCrypt   why = "has a hash of a kind that is not understood: make one with htpasswd -B"
)

// classify finds out how a password was hashed, or why nobody could log in with the hash. It does not allocate.
func classify(text string) (kind, why) {
	scheme, rest := cutScheme(text)
	switch scheme {
	case "":
		if text == "" {
			return 0, noHash
		}
		if len(text) != desLength || !inAlphabet(text) {
			return 0, notAHash
		}
		return des, ""
	case "{PLAIN}":
		return plain, ""
	case "{SHA}":
		return sha, classifySHA(rest, 0)
	case "{SSHA}":
		return sha, classifySHA(rest, maxSaltBytes)
	case "$apr1$", "$1$":
		return slowly, classifyMD5(rest)
	case "$2a$", "$2b$", "$2y$":
		return slowly, classifyBcrypt(rest)
	case "$2x$":
		return 0, bcrypt2x
	case "$5$":
		return slowly, classifySHACrypt(rest, 43)
	case "$6$":
		return slowly, classifySHACrypt(rest, 86)
	}
	if text[0] == '{' {
		return 0, unknownScheme
	}
	return 0, unknownCrypt
}

// newHash prepares a hash that classify has found fit. It returns nil if the library thinks otherwise.
func newHash(text string, k kind) *hash {
	h := &hash{text: text, kind: k}
	_, rest := cutScheme(text)
	switch k {
	case plain:
		h.sum = sha256.Sum256(wire.Bytes(rest))
	case sha:
		raw, _ := base64.StdEncoding.DecodeString(rest)
		h.salt = string(raw[sha1.Size:])
		copy(h.sum[:], raw[:sha1.Size])
	case slowly:
		for _, accept := range []htpasswd.PasswdParser{htpasswd.AcceptMd5, htpasswd.AcceptBcrypt, htpasswd.AcceptCryptSha} {
			if p, err := accept(text); err == nil && p != nil {
				h.slow = p
			}
		}
		if h.slow == nil {
			return nil
		}
	}
	return h
}

// cutScheme splits a hash behind its leading "{…}" or "$…$".
func cutScheme(text string) (scheme, rest string) {
	if text == "" || text[0] != '{' && text[0] != '$' {
		return "", text
	}
	end := byte('$')
	if text[0] == '{' {
		end = '}'
	}
	i := strings.IndexByte(text[1:], end)
	if i < 0 {
		return text, ""
	}
	return text[:i+2], text[i+2:]
}

// maxSaltBytes is the longest salt of {SSHA}; tools write 4 to 16 bytes.
const maxSaltBytes = 64

// classifySHA looks at the digest of {SHA} or {SSHA} and the salt behind it.
func classifySHA(rest string, maxSalt int) why {
	var room [sha1.Size + maxSaltBytes + 4]byte
	if len(rest) > base64.StdEncoding.EncodedLen(sha1.Size+maxSalt) {
		return brokenBase64
	}
	n, err := base64.StdEncoding.Decode(room[:], wire.Bytes(rest))
	if err != nil || n < sha1.Size || n > sha1.Size+maxSalt {
		return brokenBase64
	}
	return ""
}

// classifyMD5 looks at what follows $apr1$ or $1$.
func classifyMD5(rest string) why {
	salt, sum, ok := strings.Cut(rest, "$")
	if !ok || len(salt) > 8 || len(sum) != 22 || !inAlphabet(sum) {
		return brokenMD5
	}
	return ""
}

// classifyBcrypt looks at what follows $2y$.
func classifyBcrypt(rest string) why {
	cost, sum, ok := strings.Cut(rest, "$")
	n, digits := number(cost)
	switch {
	case !ok || !digits || len(cost) != 2 || n < 4 || len(sum) != 53 || !inAlphabet(sum):
		return brokenBcrypt
	case n > maxBcryptCost:
		return bcryptTooSlow
	}
	return ""
}

// classifySHACrypt looks at what follows $5$ or $6$. It is strict about rounds, since the library takes hashes apart by
// the length that it expects them to have.
func classifySHACrypt(rest string, length int) why {
	if after, ok := strings.CutPrefix(rest, "rounds="); ok {
		var rounds string
		rounds, rest, _ = strings.Cut(after, "$")
		n, digits := number(rounds)
		if !digits || rounds[0] == '0' || n < 1000 || n > maxSHARounds {
			return shaRounds
		}
	}
	salt, sum, ok := strings.Cut(rest, "$")
	if !ok || len(salt) > 16 || len(sum) != length || !inAlphabet(sum) {
		return brokenSHACrypt
	}
	return ""
}

// number reads a number of at most nine digits.
func number(text string) (n int, ok bool) {
	if text == "" || len(text) > 9 {
		return 0, false
	}
	for i := 0; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		n = 10*n + int(text[i]-'0')
	}
	return n, true
}

// inAlphabet reports whether all of text is of crypt's base 64.
func inAlphabet(text string) bool {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c >= '.' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z':
		default:
			return false
		}
	}
	return true
}
