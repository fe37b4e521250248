package h2raw

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// TestExamples are the examples of RFC 7541, appendices C.2 to C.6: requests of one connection each.
func TestExamples(t *testing.T) {
	get := func(path, scheme string, more ...Field) []Field {
		return append([]Field{{":method", "GET"}, {":scheme", scheme}, {":path", path}, {":authority", "www.example.com"}}, more...)
	}
	requests := [][]Field{get("/", "http"), get("/", "http", Field{"cache-control", "no-cache"}), get("/index.html", "https", Field{"custom-key", "custom-value"})}
	for name, tt := range map[string]struct {
		huffman bool
		blocks  []string
	}{
		"C.3": {false, []string{
			"828684410f7777772e6578616d706c652e636f6d", "828684be58086e6f2d6361636865", "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
		}},
		"C.4": {true, []string{
			"828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf", "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			e, d := NewEncoder(), NewDecoder()
			e.Huffman = tt.huffman
			for i, want := range tt.blocks {
				block := e.Block(requests[i]...)
				if got := hex.EncodeToString(block); got != want {
					t.Errorf("request %d is %s, want %s", i+1, got, want)
				}
				raw, _ := hex.DecodeString(want)
				if got, err := d.Decode(raw); err != nil || !slices.Equal(got, requests[i]) {
					t.Errorf("request %d: %v, %v", i+1, got, err)
				}
			}
		})
	}
	// C.6 with a table of 256 bytes: entries are evicted.
	d := NewDecoder()
	d.table.resize(256)
	for _, raw := range []string{
		"488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
		"4883640effc1c0bf",
		"88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
	} {
		p, _ := hex.DecodeString(raw)
		fields, err := d.Decode(p)
		if err != nil {
			t.Fatal(err)
		}
		if raw[:2] == "88" && (len(fields) != 6 || fields[5].Value != "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1" || d.table.size != 215) {
			t.Errorf("the third response of C.6 is %v, and the table %d bytes", fields, d.table.size)
		}
	}
}

func TestWhatIsNoHead(t *testing.T) {
	for name, raw := range map[string]string{
		"index 0":             "80",
		"index behind tables": "be",
		"literal of nothing":  "4001",
		"endless integer":     "ffffffffffffffffff01",
		"update behind field": "8220",
		"update too large":    "3fe21f",
		"EOS":                 "0001" + "61" + "84ffffffff",
		"padding of zeros":    "0001" + "61" + "8118",
	} {
		raw, _ := hex.DecodeString(raw)
		if fields, err := NewDecoder().Decode(raw); err == nil {
			t.Errorf("%s: %v", name, fields)
		}
	}
}

func TestHuffmanRoundTrip(t *testing.T) {
	var all strings.Builder
	for i := range 256 {
		all.WriteByte(byte(i))
	}
	if got, err := UnHuffman(Huffman(all.String())); err != nil || got != all.String() {
		t.Errorf("%q, %v", got, err)
	}
}
