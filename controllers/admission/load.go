package admission

// What a question may cost. The port is open to every pod that no NetworkPolicy keeps away, so a stranger with a loop is the
// case to think of, and the API server the one that must get through all the same: nobody waits for bytes that somebody else only
// announced. The surprise: bodies are bounded together, too, since a hundred large ones at a time would be the end of the
// process.

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// maxBody is the largest body. An API server takes objects of up to 3 MiB and sends the old one along.
	maxBody = 8 << 20
	// maxBodies bounds all bodies that are held at a time.
	maxBodies = 16 << 20
	// maxParts bounds the members and elements in a body: "{}," is three bytes long and becomes a struct.
	maxParts = 800_000
	// large is a body that is judged while no other large one is.
	large = 256 << 10
	// maxWait is the longest that a question waits and is judged; the API server gives 10 s by default.
	maxWait = 8 * time.Second
)

// load is what is being done at the moment.
type load struct {
	bodies atomic.Int64
	// slots has room for as many questions as are judged at a time, alone for one large one.
	slots, alone chan struct{}
}

// newLoad returns a load of nothing.
func newLoad() load {
	return load{slots: make(chan struct{}, max(2, runtime.GOMAXPROCS(0))), alone: make(chan struct{}, 1)}
}

// patience returns how long an answer may take: the API server says when it will have given up.
func patience(r *http.Request) time.Duration {
	d, err := time.ParseDuration(r.URL.Query().Get("timeout"))
	if err != nil || d <= 0 || d > maxWait {
		return maxWait
	}
	return d
}

// read reads a body. done must be called in any case, when the body is not needed any more.
func (l *load) read(w http.ResponseWriter, r *http.Request) (body []byte, done func(), err error) {
	held := int64(0)
	done = func() { l.bodies.Add(-held) }
	if r.ContentLength > maxBody {
		return nil, done, unanswerable(http.StatusRequestEntityTooLarge, "the body has %d bytes, at most %d are read", r.ContentLength, maxBody)
	}
	in := http.MaxBytesReader(w, r.Body, maxBody)
	for {
		if len(body) == cap(body) {
			grown := max(16<<10, 2*cap(body))
			if l.bodies.Add(int64(grown)-held) > maxBodies {
				l.bodies.Add(held - int64(grown))
				return nil, done, unanswerable(http.StatusTooManyRequests, "too much is asked at a time")
			}
			held = int64(grown)
			body = append(make([]byte, 0, grown), body...)
		}
		n, err := in.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch tooLarge := (*http.MaxBytesError)(nil); {
		case err == io.EOF:
			return body, done, nil
		case errors.As(err, &tooLarge):
			return nil, done, unanswerable(http.StatusRequestEntityTooLarge, "the body has more than %d bytes", maxBody)
		case err != nil:
			return nil, done, unanswerable(http.StatusBadRequest, "the body ends early")
		}
	}
}

// enter waits until a body may be looked at. leave must be called afterwards.
func (l *load) enter(ctx context.Context, size int) (leave func(), err error) {
	busy := unanswerable(http.StatusTooManyRequests, "too many questions at a time")
	if size > large {
		select {
		case l.alone <- struct{}{}:
		case <-ctx.Done():
			return nil, busy
		}
	}
	leave = func() {
		<-l.slots
		if size > large {
			<-l.alone
		}
	}
	select {
	case l.slots <- struct{}{}:
		return leave, nil
	case <-ctx.Done():
		if size > large {
			<-l.alone
		}
		return nil, busy
	}
}
