package basicauth

import "testing"

// The hashes are those of crypt(3) of the GNU C library.
func TestDESCrypt(t *testing.T) {
	for _, c := range []struct{ password, hash string }{
		{"secret", "abNANd1rDfiNc"},
		{"", "dHucwM5GiSOwI"},
		{"a", "m4Q1nCZppLSjU"},
		{"secret", "7AHfnRiSSaEGA"},
		{"password", "i5BdYag4epxGM"},
		{"passwordandmore", "P2TBCwYriOvas"},
		{"correct horse battery staple", "9rCvRHrzlCdls"},
		{"über", "p6c7zCxzPy88A"},
		{"p:w", "S92DZOveX/xH6"},
		{"12345678", "q5U97ROzkDJhg"},
		{"/<ppj'ijR&", "Q3EgoQLa1wbBk"},
		{"1EU2e/iGg", "LBDadqwgCOU5A"},
		{"iq8O,f{(h'", "OzjkvnO6LMruk"},
		{"VH[jZNF?7", "T8mSipprVymd6"},
		{"Fc_K}YDm)/", "pJO1egM5tBU4I"},
		{"3^U%u)", "cf74g7cmaajao"},
		{"l_jZ(+", "WweQBvmhWGRxk"},
		{"'}", "bt8v5LLLdmA/E"},
		{"secret", "..EBVOMug1tuI"},
		{"secret", "zz1T8N4tWvmbE"},
	} {
		if got := desCrypt(c.password, c.hash); got != c.hash {
			t.Errorf("desCrypt(%q, %.2s) = %s, want %s", c.password, c.hash, got, c.hash)
		}
	}
}

func BenchmarkDESCrypt(b *testing.B) {
	for b.Loop() {
		desCrypt("secret", "ab")
	}
}
