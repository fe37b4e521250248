package basicauth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Reasons why lines of an htdigest file are refused, besides those of htpasswd files.
const (
	noDigest    why = "is no line of an htdigest file: want user:realm:hash"
	badHA1      why = "has no hash of 32 hexadecimal digits behind the realm"
	wrongFormat why = "holds a password hash as basic authentication wants it: write user:realm:hash with htdigest"
)

// errNoRealm is for files of which every line is for another realm.
var errNoRealm = errors.New("no line is for the realm of auth-realm, so nobody could log in")

// ha1Bytes is how long the hash of an htdigest file is.
const ha1Bytes = 32

// digestReader goes through an htdigest file.
type digestReader struct {
	realm string
	// users are the hashes of those who can log in.
	users    map[string]string
	others   int // lines for other realms
	mistakes []mistake
}

// readDigestFile reads an htdigest file: a user, a colon, a realm, a colon, and the hash. It returns the hashes of the users of a
// realm; the first line of a user counts. Lines for other realms are passed over.
func readDigestFile(text, realm string) (map[string]string, []mistake, error) {
	r := digestReader{realm: realm, users: map[string]string{}}
	var err error
	if r.mistakes, err = eachLine(text, r.line); err != nil {
		return nil, nil, err
	}
	return r.finish()
}

// readDigestMap reads a Secret whose keys are users and whose values are realm and hash, and returns it as a file.
func readDigestMap(data map[string][]byte, realm string) (string, []mistake, error) {
	r := digestReader{realm: realm, users: map[string]string{}}
	var file strings.Builder
	for _, name := range slices.Sorted(maps.Keys(data)) {
		value := strings.TrimRight(string(data[name]), "\r\n")
		reason := severalLines
		if !strings.ContainsAny(value, "\r\n") {
			reason = r.line(name + ":" + value)
		}
		if reason != "" {
			r.mistakes = append(r.mistakes, mistake{key: name, why: reason})
			continue
		}
		if fmt.Fprintf(&file, "%s:%s\n", name, value); file.Len() > maxFileBytes {
			return "", nil, errFileTooLong
		}
	}
	_, mistakes, err := r.finish()
	return file.String(), mistakes, err
}

// line enters a line, or returns why not. The realm may hold colons, the hash does not.
func (r *digestReader) line(line string) why {
	if len(line) > maxLineBytes {
		return lineTooLong
	}
	name, rest, ok := strings.Cut(line, ":")
	colon := strings.LastIndexByte(rest, ':')
	switch {
	case ok && colon < 0 && (strings.HasPrefix(rest, "$") || strings.HasPrefix(rest, "{")):
		return wrongFormat
	case !ok || colon < 0:
		return noDigest
	case name == "":
		return noUser
	case len(name) > maxUserBytes || hasControl(name):
		return badUser
	}
	hash := strings.ToLower(strings.TrimRight(rest[colon+1:], " \t"))
	if len(hash) != ha1Bytes || strings.Trim(hash, "0123456789abcdef") != "" {
		return badHA1
	}
	if rest[:colon] != r.realm {
		r.others++
		return ""
	}
	if _, ok := r.users[name]; ok {
		return secondUser
	}
	r.users[name] = hash
	return ""
}

// finish returns what was read. A file cannot hold more users than there may be.
func (r *digestReader) finish() (map[string]string, []mistake, error) {
	switch {
	case len(r.users) > 0:
		return r.users, r.mistakes, nil
	case r.others > 0:
		return nil, r.mistakes, errNoRealm
	}
	return nil, r.mistakes, errNoUsers
}
