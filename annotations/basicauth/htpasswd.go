package basicauth

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Limits of a file of users. A Secret cannot hold more than a MiB anyway.
const (
	maxFileBytes = 1 << 20
	maxLineBytes = 4096
	maxUsers     = 50_000
	maxUserBytes = 255
)

// Errors of files that are refused as a whole.
var (
	errFileTooLong  = errors.New("the file is longer than 1 MiB")
	errTooManyUsers = errors.New("there are more than 50000 users")
	errNoUsers      = errors.New("nobody could log in")
)

// Reasons why lines are refused, besides those of hashes.
const (
	lineTooLong  why = "is longer than 4096 bytes"
	noColon      why = "has no colon: want user:hash"
	noUser       why = "has no user before the colon"
	badUser      why = "has a user name with control characters, or of more than 255 bytes"
	secondUser   why = "names a user that stands further up: the first line counts"
	severalLines why = "has more than one line"
)

// mistake is a line, or a key of an auth-map, that nobody can log in with.
type mistake struct {
	// line is its number, counted from 1; 0 in an auth-map.
	line int
	// key is the key in an auth-map.
	key string
	why why
}

// String says where and why, for people. It shows neither hashes nor anything else from a file.
func (m mistake) String() string {
	if m.line == 0 {
		return fmt.Sprintf("key %q %s", m.key, m.why)
	}
	return fmt.Sprintf("line %d %s", m.line, m.why)
}

// reader goes through a file. It does not keep hashes, so that going through all files at every rebuild is cheap.
type reader struct {
	// add gets every user that can log in; it may be nil.
	add func(name, hashText string, k kind)
	// names are the users so far; many is the same as a set, once they are more than a few.
	names    []string
	many     map[string]struct{}
	mistakes []mistake
}

// few is how many names are searched one by one.
const few = 16

// enter enters a user, or returns why not.
func (r *reader) enter(name, hashText string) why {
	switch {
	case name == "":
		return noUser
	case len(name) > maxUserBytes || hasControl(name):
		return badUser
	case r.has(name):
		return secondUser
	}
	k, reason := classify(hashText)
	if reason != "" {
		return reason
	}
	r.names = append(r.names, name)
	if r.many != nil {
		r.many[name] = struct{}{}
	} else if len(r.names) > few {
		r.many = make(map[string]struct{}, 2*few)
		for _, n := range r.names {
			r.many[n] = struct{}{}
		}
	}
	if r.add != nil {
		r.add(name, hashText, k)
	}
	return ""
}

// has reports whether a user was entered already.
func (r *reader) has(name string) bool {
	if r.many != nil {
		_, ok := r.many[name]
		return ok
	}
	return slices.Contains(r.names, name)
}

// finish returns what was wrong.
func (r *reader) finish() ([]mistake, error) {
	switch n := len(r.names); {
	case n == 0:
		return r.mistakes, errNoUsers
	case n > maxUsers:
		return r.mistakes, errTooManyUsers
	}
	return r.mistakes, nil
}

// eachLine hands over the lines of a file that say something, and collects those that enter does not take.
func eachLine(text string, enter func(line string) why) (mistakes []mistake, err error) {
	if len(text) > maxFileBytes {
		return nil, errFileTooLong
	}
	number := 0
	for line := range strings.SplitSeq(text, "\n") {
		number++
		line, _, _ = strings.Cut(line, "\r")
		if line == "" || line[0] == '#' || strings.Trim(line, " \t") == "" {
			continue
		}
		if reason := enter(line); reason != "" {
			mistakes = append(mistakes, mistake{line: number, why: reason})
		}
	}
	return mistakes, nil
}

// readFile reads an htpasswd file as nginx does: a user, a colon, a hash, and what stands behind another colon is a
// comment. Lines that begin with # are too. add gets every user that can log in; it may be nil.
func readFile(text string, add func(name, hashText string, k kind)) ([]mistake, error) {
	r := reader{add: add}
	var err error
	if r.mistakes, err = eachLine(text, r.line); err != nil {
		return nil, err
	}
	return r.finish()
}

// line enters a line of a file.
func (r *reader) line(line string) why {
	if len(line) > maxLineBytes {
		return lineTooLong
	}
	name, rest, ok := strings.Cut(line, ":")
	if !ok {
		return noColon
	}
	hashText, _, _ := strings.Cut(rest, ":")
	return r.enter(name, trim(hashText))
}

// trim drops white space behind a hash, where it can only be an accident; behind a password in the clear it
// may be part of it.
func trim(hashText string) string {
	if strings.HasPrefix(hashText, "{PLAIN}") {
		return hashText
	}
	return strings.TrimRight(hashText, " \t")
}

// readMap reads a Secret whose keys are users and whose values are hashes, and returns it as a file.
func readMap(data map[string][]byte) (string, []mistake, error) {
	var file strings.Builder
	r := reader{add: func(name, hashText string, _ kind) { fmt.Fprintf(&file, "%s:%s\n", name, hashText) }}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(data)) {
		value := strings.TrimRight(string(data[name]), "\r\n")
		if total += len(name) + len(value) + 2; total > maxFileBytes {
			return "", nil, errFileTooLong
		}
		reason := severalLines
		if !strings.ContainsAny(value, "\r\n") {
			reason = r.line(name + ":" + value)
		}
		if reason != "" {
			r.mistakes = append(r.mistakes, mistake{key: name, why: reason})
		}
	}
	mistakes, err := r.finish()
	return file.String(), mistakes, err
}

// hasControl reports whether text has a control character.
func hasControl(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] < 0x20 || text[i] == 0x7f {
			return true
		}
	}
	return false
}
