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

func TestAPathThatNoRequestForItMatchesSaysWhatToWrite(t *testing.T) {
	const merged, resolved, query, decoded = "merged before it is compared", "resolved before it is compared", "not part of the path", "as in ingress-nginx"
	for path, end := range map[string]string{
		"/": "", "/a": "", "/.well-known": "", "/..a": "", "/a.": "", "/a..": "", "/...": "", "/a/.b/c": "", "/ä": "", "/100%": "", "/a%zz": "",
		"//": merged, "/a//b": merged, "/.": resolved, "/..": resolved, "/./": resolved, "/../a": resolved, "/a/..": resolved,
		"/a/./b": resolved, "/.a/..": resolved, "/a?b": query, "/a#b": query,
		"/%61pi": `write "/api"`, "/a%20b": `write "/a b"`, "/%C3%a4": `write "/ä"`, "/a%2Fb": `write "/a/b"`, "/a%2561": decoded,
		"/a%20b%": decoded, "/%2e%2e": decoded, "/a%3Fb": decoded, "/a%00": decoded,
	} {
		if got := mismatch(path); !strings.HasSuffix(got, end) || (got == "") != (end == "") {
			t.Errorf("%q: %q, want … %s", path, got, end)
		}
	}
}
