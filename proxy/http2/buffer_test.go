package http2

import (
	"bytes"
	"testing"
)

// TestQueuesKeepOrderAndTakeWhatTheyWeigh puts pieces of all sizes and counts the memory of what is kept.
func TestQueuesKeepOrderAndTakeWhatTheyWeigh(t *testing.T) {
	text := make([]byte, 100<<10)
	for i := range text {
		text[i] = byte(i * 7 >> 3)
	}
	for _, tt := range []struct {
		name   string
		pieces []int
		most   int // bytes of memory
	}{
		{"one byte", []int{1}, scrapSize},
		{"a small message", []int{scrapSize}, scrapSize},
		{"many small messages", []int{5, 5, 5, 5, 500, 1500, 5}, 2 * scrapSize},
		{"more than a small message", []int{scrapSize + 1}, blockSize},
		{"a small message, then a large one", []int{10, 20_000}, scrapSize + 2*blockSize},
		{"a large one, then small ones", []int{blockSize, 1, 1}, blockSize + scrapSize},
		{"a frame of the largest size again and again", []int{16384, 16384, 16384, 16384}, 4 * blockSize},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var q queue
			sent := 0
			for _, n := range tt.pieces {
				q.put(text[sent : sent+n])
				sent += n
			}
			memory := 0
			for b := q.first; b != nil; b = b.next {
				memory += len(b.data)
			}
			if q.size != sent || memory > tt.most {
				t.Errorf("%d bytes take %d, want %d in at most %d", q.size, memory, sent, tt.most)
			}
			var got []byte
			for q.size > 0 {
				p := q.peek()
				n := (len(p) + 1) / 2
				got = append(got, p[:n]...)
				q.skip(n)
			}
			if !bytes.Equal(got, text[:sent]) || q.first != nil || q.last != nil {
				t.Errorf("%d bytes came out of %d, or others", len(got), sent)
			}
		})
	}
}
