package e2e

import (
	"slices"
	"testing"

	"github.com/yettproxy/yett/proxy/wiretest"
)

// Fields: RFC 9112 section 5, RFC 9110 sections 5 and 6.5.
var fieldCases = []wireCase{
	{id: "F-01", what: "a space before the colon", send: field("X-A␠: b⏎"), want: r400},
	{id: "F-01", what: "a tab before the colon", send: field("X-A␉: b⏎"), want: r400},
	{id: "F-02", what: "a folded value", send: field("X-A: b⏎␠c⏎"), want: r400},
	{id: "F-02", what: "a value folded with a tab", send: field("X-A: b⏎␉c⏎"), want: r400},
	{id: "F-03", what: "white space before the first field", send: "GET / HTTP/1.1⏎␠" + hostA + "⏎", want: r400},
	{id: "F-04", what: "NUL in a value", send: field("X-A: a␀b⏎"), want: r400},
	{id: "F-04", what: "CR in a value", send: field("X-A: a␍b⏎"), want: r400},
	{id: "F-04", what: "CR before what looks like a field", send: field("X-A: a␍X-Smug: 1⏎"), want: r400},
	{id: "F-04", what: "a control in a value", send: field("X-A: a\x01b⏎"), want: r400},
	{id: "F-04", what: "DEL in a value", send: field("X-A: a\x7fb⏎"), want: r400},
	{id: "F-05", what: "all lines end with LF", send: "GET / HTTP/1.1␊Host: a.test␊␊", want: r400},
	{id: "F-05", what: "one line ends with LF", send: field("X-A: b␊X-B: c⏎"), want: r400},
	{id: "F-05", what: "the last line ends with LF", send: "GET / HTTP/1.1⏎" + hostA + "␊", want: r400},
	{id: "F-06", what: "a delimiter in a name", send: field("X(A): b⏎"), want: r400},
	{id: "F-06", what: "a byte above 0x7f in a name", send: field("X-A\x85: b⏎"), want: r400},
	{id: "F-06", what: "no name", send: field(": b⏎"), want: r400},
	{id: "F-06", what: "no colon", send: field("XA⏎"), want: r400},
	{
		id: "F-07", what: "underscores", send: field("X_Forwarded_For: 6.6.6.6⏎"), want: "200 open; a GET /f",
		head: []string{"-X_Forwarded_For", "X-Forwarded-For: 127.0.0.1"},
	},
	{
		id: "F-07", what: "dots", send: field("X.Forwarded.For: 6.6.6.6⏎"), want: "200 open; a GET /f",
		head: []string{"-X.Forwarded.For", "X-Forwarded-For: 127.0.0.1"},
	},
	{id: "F-08", what: "a field above the limit", send: field("X-A: «a×8188»⏎"), want: "431 closed"},
	{id: "F-08", what: "a field of 40 KiB", send: field("X-A: «a×40960»⏎"), want: "431 closed"},
	{id: "F-08", what: "a field of 8 KiB", send: field("X-A: «a×8187»⏎"), want: "200 open; a GET /f"},
	{id: "F-08", what: "many fields of 8 KiB", send: field(fiveLong), want: "431 closed"},
	{
		id: "F-08", what: "a head of nearly 32 KiB", send: field("X-A: «a×8000»⏎X-B: «b×8000»⏎X-C: «c×8000»⏎X-D: «d×8000»⏎"), want: "200 open; a GET /f",
		check: func(t *testing.T, r *result) {
			if got := r.upstream[0].Get("X-D"); got != bytesOf("«d×8000»", "") {
				t.Errorf("X-D is %s", brief(got))
			}
		},
	},
	{id: "F-09", what: "20,000 fields", send: field("«X-A: b⏎×20000»"), want: "431 closed"},
	{id: "F-09", what: "101 fields", send: field("«X-A: b⏎×100»"), want: "431 closed"},
	{id: "F-09", what: "100 fields", send: field("«X-A: b⏎×99»"), want: "200 open; a GET /f"},
	{id: "F-10", what: "a byte above 0x7f in a value", send: field("X-A: caf\xe9⏎"), want: "200 open; a GET /f", head: []string{"X-A: caf\xe9"}},
	{
		id: "F-11", what: "names are forwarded as they are written", send: field("x-oDD-CaSe: 1⏎"), want: "200 open; a GET /f",
		check: func(t *testing.T, r *result) {
			if !slices.Contains(r.upstream[0].Fields, wiretest.Field{Name: "x-oDD-CaSe", Value: "1"}) {
				t.Errorf("the upstream saw %q", r.upstream[0].Fields)
			}
		},
	},
	{
		id: "F-11", what: "equal names keep their order", send: field("X-A: 1⏎X-B: 2⏎X-A: 3⏎"), want: "200 open; a GET /f",
		check: func(t *testing.T, r *result) {
			if got := r.upstream[0].Values("X-A"); !slices.Equal(got, []string{"1", "3"}) {
				t.Errorf("X-A is %q upstream, want 1 and 3", got)
			}
		},
	},
}

// fiveLong are five fields of nearly 8 KiB.
const fiveLong = "X-A: «a×8000»⏎X-B: «b×8000»⏎X-C: «c×8000»⏎X-D: «d×8000»⏎X-E: «e×8000»⏎"
