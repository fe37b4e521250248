package translate

import (
	"strings"
	"testing"
)

func TestParseHost(t *testing.T) {
	for text, want := range map[string]string{
		"a.test": "a.test", "A.Test.": "a.test", "*.A.test": "*.a.test", "localhost": "localhost", "a_b.test": "a_b.test", "192.0.2.1": "192.0.2.1",
		"xn--bcher-kva.test": "xn--bcher-kva.test", strings.Repeat("a.", 126) + "a": strings.Repeat("a.", 126) + "a",
		"": "", ".": "", "*": "", "*.": "", "*a.test": "", "a.*": "", "a..test": "", ".a": "", "a..": "", "*..": "", "a b": "", "a/b": "", "a:80": "", "[::1]": "",
		"bücher.test": "", "a\x00": "", strings.Repeat("a", 64) + ".test": "", strings.Repeat("a.", 128): "", "~^a$": "", "a@b": "",
	} {
		got, fault := parseHost(text)
		if got != want || (fault == "") != (want != "") {
			t.Errorf("%q: got %q, %q; want %q", text, got, fault, want)
		}
	}
}

func FuzzParseHost(f *testing.F) {
	for _, seed := range []string{"a.test", "*.A.", "..", "*", "ü", "a:1", strings.Repeat("x.", 200)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		host, fault := parseHost(text)
		if fault != "" {
			return
		}
		if host == "" || len(host) > maxHost || host != strings.ToLower(host) || strings.HasSuffix(host, ".") {
			t.Errorf("%q: %q", text, host)
		}
		if again, fault := parseHost(host); again != host || fault != "" {
			t.Errorf("%q: %q becomes %q, %q", text, host, again, fault)
		}
	})
}

func TestNeverMatches(t *testing.T) {
	for path, want := range map[string]bool{
		"/": false, "/a": false, "/.well-known": false, "/..a": false, "/a.": false, "/a..": false, "/...": false, "/a/.b/c": false, "/ä": false,
		"//": true, "/a//b": true, "/.": true, "/..": true, "/./": true, "/../a": true, "/a/..": true, "/a/./b": true, "/.a/..": true,
		"/a%20b": true, "/a?b": true, "/a#b": true,
	} {
		if got := neverMatches(path) != ""; got != want {
			t.Errorf("%q: %v", path, got)
		}
	}
}
