package wire

import (
	"strconv"
	"strings"
	"testing"
)

func TestLookupKnowsEveryNameInAnyCase(t *testing.T) {
	chains := 0
	for id := Other + 1; id < numIDs; id++ {
		name := id.String()
		if name == "" {
			t.Fatalf("field %d has no name", id)
		}
		for _, s := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := Lookup(s); got != id {
				t.Errorf("Lookup(%q) = %v, want %v", s, got, id)
			}
		}
		if got := Lookup(name + "x"); got != Other {
			t.Errorf("Lookup(%q) = %v, want Other", name+"x", got)
		}
		if lookup.next[id] != Other {
			chains++
		}
	}
	if chains > 3 {
		t.Errorf("%d names share a slot with another: try other factors in hashName", chains)
	}
	for _, s := range []string{"", "x", "Hosts", "Hos\u212A", strings.Repeat("x", 100)} {
		if got := Lookup(s); got != Other {
			t.Errorf("Lookup(%q) = %v, want Other", s, got)
		}
	}
}

func TestTokenLists(t *testing.T) {
	for list, want := range map[string]string{
		"":                   "",
		"close":              "close",
		" a ,b\t,, c d , ":   "a|b|c d",
		",,":                 "",
		"keep-alive,Upgrade": "keep-alive|Upgrade",
	} {
		var got []string
		for e, rest := NextToken(list); e != ""; e, rest = NextToken(rest) {
			got = append(got, e)
		}
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("elements of %q are %q, want %q", list, s, want)
		}
	}
	var f Fields
	f.Add("connection", "a, B")
	f.Add("Connection", "Close")
	if !f.HasToken(Connection, "b") || !f.HasToken(Connection, "close") || f.HasToken(Connection, "c") || f.HasToken(TE, "a") {
		t.Error("HasToken does not see what all lines list")
	}
}

func TestParseLength(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "2": 2, "002": 2, "9223372036854775807": 1<<63 - 1} {
		if n, ok := ParseLength(s); n != want || !ok {
			t.Errorf("ParseLength(%q) = %d, %v, want %d", s, n, ok, want)
		}
	}
	for _, s := range []string{"", "+2", "-1", "0x2", "1e1", "2 2", "2,", "1_0", "2, 2", "9223372036854775808", "99999999999999999999", strings.Repeat("0", 99) + "2", "\u0662"} {
		if n, ok := ParseLength(s); ok {
			t.Errorf("ParseLength(%q) = %d, want it refused", s, n)
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, c := range []struct {
		name        string
		underscores bool
		want        FieldRule
	}{
		{"X-Forwarded-For", false, KeepField},
		{"x1", false, KeepField},
		{"X_Custom", false, DropField},
		{"X_Custom", true, KeepField},
		{"X_Forwarded_For", true, DropField},
		{"Transfer_Encoding", true, DropField},
		{"content_length", true, DropField},
		{"X.Forwarded.For", false, DropField},
		{"X.Forwarded.For", true, DropField},
		{"X~A", false, DropField},
		{"X(A)", false, RefuseField},
		{"X A", false, RefuseField},
		{"", false, RefuseField},
		{"X-\x85", true, RefuseField},
		{"_" + strings.Repeat("x", 100), true, KeepField},
	} {
		if got := CheckName(c.name, c.underscores); got != c.want {
			t.Errorf("CheckName(%q, %v) = %d, want %d", c.name, c.underscores, got, c.want)
		}
	}
}

func TestValidValueFindsEveryControlAtEveryPlace(t *testing.T) {
	for b := 0; b < 256; b++ {
		for n := 0; n < 20; n++ {
			v := []byte("caf\xe9\tabcdefghijklmno")
			v[n] = byte(b)
			want := b >= 0x20 && b != 0x7f || b == '\t'
			if got := ValidValue(string(v)); got != want {
				t.Fatalf("ValidValue with byte %#x at %d is %v", b, n, got)
			}
		}
	}
	if !ValidValue("") {
		t.Error("the empty value is refused")
	}
}

func TestTrailersThatControlTheMessageAreRefused(t *testing.T) {
	for name, want := range map[string]bool{
		"grpc-status": true, "Grpc-Message": true, "X-Checksum": true, "Server-Timing": true,
		"Content-Length": false, "Transfer-Encoding": false, "Host": false, "Authorization": false, "Cookie": false,
		"X-Forwarded-For": false, "x-forwarded-anything": false, "X-Real-IP": false, "Content-Encoding": false, "If-Match": false,
		"Connection": false, "range": false, "X-Accel-Expires": false,
	} {
		if got := TrailerAllowed(Lookup(name), name); got != want {
			t.Errorf("TrailerAllowed(%q) = %v, want %v", name, got, want)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	b.ReportAllocs()
	names := []string{"Host", "User-Agent", "Accept", "accept-encoding", "X-Custom-Thing", "Cookie", "X-Request-ID", "Sec-Fetch-Mode"}
	for b.Loop() {
		for _, n := range names {
			Lookup(n)
		}
	}
}

// TestListsOfAnyLength fills lists up to lengths at which they change their memory, twice over.
func TestListsOfAnyLength(t *testing.T) {
	var f Fields
	for _, n := range []int{1, usualFields / 3, usualFields, usualFields + 1, longFields, 3, longFields + 1, 1000, 0, 7} {
		for i := range n {
			switch i % 3 {
			case 0:
				f.Add("X-"+strconv.Itoa(i), strconv.Itoa(i))
			case 1:
				f.AddKnown(Cookie, strconv.Itoa(i))
			default:
				if e := f.Extend(); *e != (Field{}) {
					t.Fatalf("list of %d: a new field is %v", n, *e)
				} else {
					*e = Field{Name: "Y", Value: strconv.Itoa(i)}
				}
			}
		}
		if f.Len() != n {
			t.Fatalf("%d fields, want %d", f.Len(), n)
		}
		for i := range n {
			if got := f.At(i).Value; got != strconv.Itoa(i) {
				t.Fatalf("list of %d: field %d is %q", n, i, got)
			}
		}
		f.DelKnown(Cookie)
		if want := n - (n+1)/3; f.Len() != want {
			t.Fatalf("list of %d: %d fields are left, want %d", n, f.Len(), want)
		}
		f.Reset()
	}
}

// TestLongListsCostNothingTwice is about heads between what is usual and what the limits allow.
func TestLongListsCostNothingTwice(t *testing.T) {
	var f Fields
	if n := testing.AllocsPerRun(100, func() {
		for range 100 {
			f.AddKnown(Cookie, "a")
		}
		f.Reset()
	}); n >= 1 {
		t.Errorf("%v allocations", n)
	}
}
