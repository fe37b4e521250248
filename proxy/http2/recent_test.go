package http2

import (
	"fmt"
	"strings"
	"testing"
)

func TestRecentStrings(t *testing.T) {
	r := newRecent()
	long := strings.Repeat("x", recentLength+1)
	kept := map[string]string{}
	for n := range 3 {
		for i := range 10 * recentSets * recentWays {
			for _, text := range []string{fmt.Sprint("value ", i), "", "0", long} {
				p := []byte(text)
				got := r.string(p)
				clear(p) // as the buffer that it was read to
				if got != text {
					t.Fatalf("round %d: %q became %q", n, text, got)
				}
				kept[text] = got
			}
		}
	}
	for text, got := range kept {
		if text != got {
			t.Errorf("%q became %q afterwards", text, got)
		}
	}
	known := [recentWays][]byte{[]byte("grpc-status"), []byte("0"), []byte("grpc-message"), []byte("application/grpc")}
	if n := testing.AllocsPerRun(100, func() { // all of them have room in one set
		for _, p := range known {
			r.string(p)
		}
	}); n != 0 {
		t.Errorf("%v allocations for strings that are known", n)
	}
}
