package wire

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestResponsesGoAsFarAsTheirHeadSays(t *testing.T) {
	for name, tt := range map[string]struct {
		method   string
		response Response
		writes   []int
		length   int64 // of the field
		sent     int
		err      error
	}{
		"a body of known length":              {"GET", Response{Status: 200, Length: 5}, []int{2, 3}, 5, 5, nil},
		"a body of unknown length":            {"GET", Response{Status: 200, Length: Unknown}, []int{2, 3}, Unknown, 5, nil},
		"an empty body":                       {"GET", Response{Status: 200}, nil, 0, 0, nil},
		"an answer to HEAD":                   {"HEAD", Response{Status: 200, Length: 5}, []int{9}, 5, 0, nil},
		"an answer to HEAD of unknown length": {"HEAD", Response{Status: 200, Length: Unknown}, []int{9}, Unknown, 0, nil},
		"204 has neither body nor length":     {"GET", Response{Status: 204, Length: 5}, []int{5}, Unknown, 0, nil},
		"304 without a length":                {"GET", Response{Status: 304, Length: 5}, []int{5}, Unknown, 0, nil},
		"304 with the length of a 200":        {"GET", Response{Status: 304, Length: 5, HasLength: true}, []int{5}, 5, 0, nil},
		"too much":                            {"GET", Response{Status: 200, Length: 5}, []int{4, 2}, 5, 4, ErrTooLong},
		"too little":                          {"GET", Response{Status: 200, Length: 5}, []int{4}, 5, 4, ErrTooShort},
		"an interim status":                   {"GET", Response{Status: 103}, nil, 0, 0, ErrInterimHead},
	} {
		t.Run(name, func(t *testing.T) {
			var e Extent
			length, err := e.Begin(tt.method, &tt.response)
			sent := 0
			for _, n := range tt.writes {
				if err != nil {
					break
				}
				var send bool
				if send, err = e.Take(n); send && err == nil {
					sent += n
				}
			}
			if err == nil {
				err = e.End()
			}
			if length != tt.length || sent != tt.sent || !errors.Is(err, tt.err) {
				t.Errorf("length %d, %d sent, %v; want %d, %d, %v", length, sent, err, tt.length, tt.sent, tt.err)
			}
		})
	}
}

func TestResponsesHaveOneHead(t *testing.T) {
	var e Extent
	if _, err := e.Take(1); !errors.Is(err, ErrNoHead) {
		t.Errorf("a body without a head: %v", err)
	}
	if err := e.End(); !errors.Is(err, ErrNoHead) {
		t.Errorf("an end without a head: %v", err)
	}
	if _, err := e.Begin("GET", &Response{Status: 200}); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Begin("GET", &Response{Status: 200}); !errors.Is(err, ErrHeadAgain) {
		t.Errorf("a second head: %v", err)
	}
}

func TestDatesArePutIntoWordsOnceASecond(t *testing.T) {
	var d Dates
	now := time.Date(2026, 2, 3, 4, 5, 6, 7, time.FixedZone("", 3600))
	const want = "Tue, 03 Feb 2026 03:05:06 GMT"
	b := make([]byte, 0, 64)
	if got := string(d.Append(b, now)); got != want || len(got) != DateLength {
		t.Errorf("%q, want %q", got, want)
	}
	if n := testing.AllocsPerRun(100, func() { b = d.Append(b[:0], now) }); n != 0 {
		t.Errorf("%.1f allocations", n)
	}
	if got := string(d.Append(nil, now.Add(time.Second))); !strings.Contains(got, "03:05:07") {
		t.Errorf("a second later it is %q", got)
	}
}
