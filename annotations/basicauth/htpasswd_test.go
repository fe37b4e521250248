package basicauth

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// hashes are hashes of "secret", as the tools named made them.
var hashes = map[string]string{
	"htpasswd -m":         "$apr1$QdL4uerc$Okl19UUkVamVk0T4rcqNW.",
	"htpasswd -B":         "$2y$05$lD3daVQdPJnhcVJ/ywnR6e.wUEaOXBrwzrUx5ryHOayKCvfWiZOfa",
	"htpasswd -s":         "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
	"htpasswd -d":         "BxCPyc8AuCbB.",
	"openssl passwd -1":   "$1$abc$iCQ2D3nhptRYi27fDYv2s1",
	"openssl passwd -5":   "$5$abc$qsg6EHbUzHQzF1POlD7zUwBINSELQxypPaeDcZe6vH0",
	"openssl passwd -6":   "$6$abc$IdWKNKTJEb8LxY7CGg8YBXlvtfZzFw7Mp/r6niK9YB2mdvgY..TKjv1T..8RadRt2qvUHYRLr/TsVArtr91iR1",
	"crypt, rounds":       "$6$rounds=1234$salty$7328RxoaS9CLSE9BlwDljM.6Ft1WcwLjkp1l5N0PBG27o9NxXmkUrVDSsPCFseCV52pdsTl/mtcVOuv733tXU.",
	"crypt, rounds 5":     "$5$rounds=1000$a_b-c+d$EDaOKx6k9s/9xPa2CxlcSFzuFdktpIaY2vhSo6uqPO1",
	"bcrypt 2a":           "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
	"bcrypt 2b":           "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
	"slappasswd":          "{SSHA}Wcm1xEisNjqp921ALcHfuQ7avFdzYWx0MTIzNA==",
	"slappasswd, no salt": "{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
	"by hand":             "{PLAIN}secret",
}

func TestEveryFormatIsUnderstood(t *testing.T) {
	for tool, text := range hashes {
		t.Run(tool, func(t *testing.T) {
			k, reason := classify(text)
			h := newHash(text, k)
			if reason != "" || h == nil {
				t.Fatalf("%s %s", text, reason)
			}
			if !h.matches("secret") {
				t.Errorf("%s does not match", text)
			}
			for _, wrong := range []string{"", "secre", "secrets", "Secret", text, "{PLAIN}secret", strings.Repeat("secret", 100)} {
				if h.matches(wrong) && !(h.kind == des && wrong == "secrets"[:6]) {
					t.Errorf("%s matches %q", text, wrong)
				}
			}
		})
	}
}

func TestHashesThatAreRefused(t *testing.T) {
	sum53, sum86 := strings.Repeat("a", 53), strings.Repeat("a", 86)
	for text, want := range map[string]why{
		"":                                  noHash,
		"secret":                            notAHash,
		"thirteenchar!":                     notAHash,
		"hunter2":                           notAHash,
		"{SHA}":                             brokenBase64,
		"{SHA}aGVsbG8=":                     brokenBase64,
		"{SHA}!!!!":                         brokenBase64,
		"{SHA}" + strings.Repeat("A", 32):   brokenBase64, // 24 bytes: that would be a {SSHA}
		"{SSHA}aGVsbG8=":                    brokenBase64,
		"{SHA256}aGVsbG8=":                  unknownScheme,
		"{sha}5en6G6MezRroT3XKqkdPOmY/BfQ=": unknownScheme,
		"{PLAIN":                            unknownScheme,
		"{":                                 unknownScheme,
		"$":                                 unknownCrypt,
		"$apr1$":                            brokenMD5,
		"$apr1$salt":                        brokenMD5,
		"$apr1$saltsalts$" + strings.Repeat("a", 22): brokenMD5,
		"$apr1$salt$" + strings.Repeat("a", 21):      brokenMD5,
		"$1$salt$" + strings.Repeat("!", 22):         brokenMD5,
		"$2y$":                                       brokenBcrypt,
		"$2y$5$" + sum53:                             brokenBcrypt,
		"$2y$03$" + sum53:                            brokenBcrypt,
		"$2y$-5$" + sum53:                            brokenBcrypt,
		"$2y$05$" + sum53[1:]:                        brokenBcrypt,
		"$2y$15$" + sum53:                            bcryptTooSlow,
		"$2b$31$" + sum53:                            bcryptTooSlow,
		"$2x$05$" + sum53:                            bcrypt2x,
		"$6$":                                        brokenSHACrypt,
		"$6$salt$":                                   brokenSHACrypt,
		"$6$salt$" + sum86[1:]:                       brokenSHACrypt,
		"$6$saltsaltsaltsalts$" + sum86:              brokenSHACrypt,
		"$5$salt$" + sum86:                           brokenSHACrypt,
		"$6$rounds=x$salt$" + sum86:                  shaRounds,
		"$6$rounds=$salt$" + sum86:                   shaRounds,
		"$6$rounds=10$salt$" + sum86:                 shaRounds,
		"$6$rounds=05000$salt$" + sum86:              shaRounds,
		"$6$rounds=+5000$salt$" + sum86:              shaRounds,
		"$6$rounds=1000001$salt$" + sum86:            shaRounds,
		"$6$rounds=5000":                             brokenSHACrypt,
		"$y$j9T$abc$" + sum86:                        unknownCrypt,
		"$argon2id$v=19$abc":                         unknownCrypt,
	} {
		if _, got := classify(text); got != want {
			t.Errorf("classify(%q): %q, want %q", text, got, want)
		}
	}
}

func TestReadFile(t *testing.T) {
	file := strings.Join([]string{
		1:  "# comment: {PLAIN}x",
		2:  "anna:{PLAIN}a b ",
		3:  "",
		4:  "   ",
		5:  "bert:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ= \r",
		6:  "cleo:{PLAIN}c:a comment",
		7:  "no colon here",
		8:  ":{PLAIN}x",
		9:  "anna:{PLAIN}other",
		10: "dora:secret",
		11: "emil:",
		12: "f\tg:{PLAIN}x",
		13: strings.Repeat("x", 300) + ":{PLAIN}x",
		14: "gina:" + strings.Repeat("x", maxLineBytes),
		15: "hans:{PLAIN}",
		16: " ida:{PLAIN}i",
		17: "jürgen:{PLAIN}j",
	}[1:], "\n")
	mistakes, err := readFile(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	u, err := parseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(u.byName)), []string{" ida", "anna", "bert", "cleo", "hans", "jürgen"}; !slices.Equal(got, want) {
		t.Errorf("users %q, want %q", got, want)
	}
	for name, password := range map[string]string{"anna": "a b ", "bert": "secret", "cleo": "c", "hans": "", " ida": "i", "jürgen": "j"} {
		if h, ok := u.find(name); !ok || !h.matches(password) {
			t.Errorf("%s cannot log in with %q", name, password)
		}
	}
	want := []mistake{
		{7, "", noColon},
		{8, "", noUser},
		{9, "", secondUser},
		{10, "", notAHash},
		{11, "", noHash},
		{12, "", badUser},
		{13, "", badUser},
		{14, "", lineTooLong},
	}
	if !slices.Equal(mistakes, want) {
		t.Errorf("mistakes\n%v\nwant\n%v", mistakes, want)
	}
}

func TestTheFirstLineOfAUserCounts(t *testing.T) {
	var file strings.Builder
	for i := range 100 {
		fmt.Fprintf(&file, "u%d:{PLAIN}%d\n", i%50, i)
	}
	mistakes, err := readFile(file.String(), nil)
	if err != nil || len(mistakes) != 50 || mistakes[0] != (mistake{51, "", secondUser}) {
		t.Errorf("%d mistakes, %v", len(mistakes), err)
	}
	u, err := parseFile(file.String())
	if h, ok := u.find("u7"); err != nil || !ok || !h.matches("7") || h.matches("57") {
		t.Errorf("u7: %v, %v", ok, err)
	}
}

func TestFilesThatAreRefusedAsAWhole(t *testing.T) {
	var many strings.Builder
	for i := range maxUsers + 1 {
		fmt.Fprintf(&many, "%x:{PLAIN}\n", i)
	}
	for want, file := range map[error]string{
		errNoUsers:      "\n# nobody\nfoo\n",
		errFileTooLong:  strings.Repeat("x", maxFileBytes+1),
		errTooManyUsers: many.String(),
	} {
		if _, err := readFile(file, nil); err != want {
			t.Errorf("error %v, want %v", err, want)
		}
		if u, err := parseFile(file); u != nil || err != want {
			t.Errorf("parseFile: error %v, want %v", err, want)
		}
	}
}

func TestReadMap(t *testing.T) {
	text, mistakes, err := readMap(map[string][]byte{
		"anna": []byte("{PLAIN}a\n"), "bert": []byte("{PLAIN}b\nroot:{PLAIN}r"), "cleo": []byte("nonsense"),
		"dora": []byte("{PLAIN}d\r\n"), "emil": nil,
	})
	if err != nil || text != "anna:{PLAIN}a\ndora:{PLAIN}d\n" {
		t.Errorf("%q, %v", text, err)
	}
	want := []mistake{{0, "bert", severalLines}, {0, "cleo", notAHash}, {0, "emil", noHash}}
	if !slices.Equal(mistakes, want) {
		t.Errorf("mistakes %v, want %v", mistakes, want)
	}
	if _, _, err := readMap(map[string][]byte{"a": make([]byte, maxFileBytes)}); err != errFileTooLong {
		t.Errorf("too long: %v", err)
	}
	if _, _, err := readMap(nil); err != errNoUsers {
		t.Errorf("empty: %v", err)
	}
}

func FuzzHtpasswd(f *testing.F) {
	for _, text := range hashes {
		f.Add("user:"+text+"\n", "secret")
	}
	f.Add("# x\r\na:{PLAIN}b:c\n\na:{PLAIN}\n:\n", "b")
	f.Add("a:$6$rounds=5000$x$y\nb:$2y$99$\nc:$apr1$$\nd:{SSHA}\ne:{SHA}\xff", "")
	f.Fuzz(func(t *testing.T, file, password string) {
		entered := 0
		mistakes, err := readFile(file, func(name, hashText string, k kind) {
			entered++
			if k2, reason := classify(hashText); reason != "" || k2 != k || newHash(hashText, k) == nil {
				t.Errorf("%q is good and is not", hashText)
			}
		})
		for _, m := range mistakes {
			if m.line < 1 || m.line > strings.Count(file, "\n")+1 || m.why == "" {
				t.Errorf("mistake %+v", m)
			}
		}
		u, errParse := parseFile(file)
		if err != errParse {
			t.Errorf("errors %v and %v", err, errParse)
		}
		if err != nil {
			return
		}
		if len(u.byName) != entered {
			t.Errorf("%d users, %d entered", len(u.byName), entered)
		}
		for name, h := range u.byName {
			if h.kind == slowly {
				continue // costs are bounded, but not to what a fuzzer should wait for
			}
			if got := h.matches(password); got && h.kind == plain && h.text != "{PLAIN}"+password {
				t.Errorf("%s logs in with %q", name, password)
			}
		}
	})
}

func BenchmarkHash(b *testing.B) {
	for tool, text := range hashes {
		k, _ := classify(text)
		h := newHash(text, k)
		b.Run(tool, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.matches("secret")
			}
		})
	}
}

func BenchmarkReadFile(b *testing.B) {
	var file strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&file, "user%d:%s\n", i, hashes["htpasswd -B"])
	}
	b.SetBytes(int64(file.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readFile(file.String(), nil); err != nil {
			b.Fatal(err)
		}
	}
}
