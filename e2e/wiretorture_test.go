package e2e

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/yettproxy/yett/proxy/wiretest"
)

// tortureEnv is how long everything goes on at once, as a duration; two seconds by default.
const tortureEnv = "YETT_E2E_TORTURE"

// torture is a crowd of clients that do everything at random and check every answer: pipelined requests, bodies
// of all sizes and framings in pieces, clients that leave and upstreams that break off.
type torture struct {
	t        *testing.T
	s        *suite
	v        via
	l        *lane
	id       atomic.Int64
	executed sync.Map // id of a POST to *atomic.Int64
	answers  [4]atomic.Int64
}

// What an upstream does about a request.
const (
	answersWell = iota
	answersLate
	breaksOff
	saysNothing
	refusesBody
	behaviours
)

// everythingAtOnce runs the crowd.
func everythingAtOnce(t *testing.T, s *suite, v via, l *lane) {
	d := &torture{t: t, s: s, v: v, l: l}
	serveLane(t, l, d.answer)
	length := 2 * time.Second
	if text := os.Getenv(tortureEnv); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	end := time.Now().Add(length)
	var crowd sync.WaitGroup
	for i := range 12 {
		crowd.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), uint64(time.Now().UnixNano())))
			for time.Now().Before(end) && !t.Failed() {
				d.visit(r)
			}
		})
	}
	crowd.Wait()
	d.executed.Range(func(id, n any) bool {
		if n := n.(*atomic.Int64).Load(); n > 1 {
			t.Errorf("POST %v reached the upstream %d times", id, n)
		}
		return true
	})
	t.Logf("%d answers as asked for, %d broken off, %d 502, %d refused", d.answers[0].Load(), d.answers[1].Load(), d.answers[2].Load(), d.answers[3].Load())
	if d.answers[0].Load() < 100 {
		t.Error("hardly anything happened")
	}
}

// answer is the upstream: the path is /id/behaviour/size.
func (d *torture) answer(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	behaviour, _ := strconv.Atoi(parts[2])
	size, _ := strconv.Atoi(parts[3])
	h := sha256.New()
	if behaviour == refusesBody {
		w.WriteHeader(413)
		_, _ = io.WriteString(w, parts[1])
		return
	}
	if _, err := io.Copy(h, r.Body); err != nil {
		return // the client has left
	}
	if r.Method == "POST" {
		n, _ := d.executed.LoadOrStore(parts[1], new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
	}
	switch behaviour {
	case answersLate:
		time.Sleep(time.Duration(size%60) * time.Millisecond)
	case breaksOff, saysNothing:
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		if behaviour == breaksOff {
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
		}
		_ = conn.Close()
		return
	}
	body := answerTo(parts[1], fmt.Sprintf("%x", h.Sum(nil)), size)
	if size%2 == 0 {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	half := len(body) / 2
	_, _ = io.WriteString(w, body[:half])
	if size%3 == 0 {
		w.(http.Flusher).Flush()
	}
	_, _ = io.WriteString(w, body[half:])
}

// answerTo is the body of an answer.
func answerTo(id, sum string, size int) string {
	return id + " " + sum + " " + strings.Repeat(id+",", size)
}

// errand is a request of a visit.
type errand struct {
	method, id, send, want string
	behaviour              int
}

// String returns what matters in messages.
func (e errand) String() string {
	return fmt.Sprintf("%s %s (behaviour %d, %d bytes up, %d down)", e.method, e.id, e.behaviour, len(e.send), len(e.want))
}

// errand makes a request up.
func (d *torture) errand(r *rand.Rand) errand {
	e := errand{method: "GET", id: strconv.FormatInt(d.id.Add(1), 10)}
	if r.IntN(4) == 0 {
		e.behaviour = r.IntN(behaviours)
	}
	size := []int{0, 1, 10, 1000, 20000}[r.IntN(5)]
	body := ""
	if r.IntN(2) == 0 {
		e.method = "POST"
		body = strings.Repeat(e.id, []int{0, 1, 100, 3000, 30000}[r.IntN(5)])
	}
	if e.behaviour == refusesBody && body == "" {
		e.behaviour = answersWell
	}
	head := fmt.Sprintf("%s /%s/%d/%d HTTP/1.1\r\nHost: %s\r\n", e.method, e.id, e.behaviour, size, d.l.host)
	if r.IntN(3) == 0 {
		head += "X-Long: " + strings.Repeat("l", r.IntN(8000)) + "\r\n"
	}
	switch {
	case body == "" && e.method == "GET":
		e.send = head + "\r\n"
	case r.IntN(2) == 0:
		e.send = fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
	default:
		e.send = head + "Transfer-Encoding: chunked\r\n\r\n"
		for rest := body; rest != ""; {
			n := 1 + r.IntN(len(rest))
			e.send += fmt.Sprintf("%x\r\n%s\r\n", n, rest[:n])
			rest = rest[n:]
		}
		e.send += "0\r\n\r\n"
	}
	e.want = answerTo(e.id, fmt.Sprintf("%x", sha256.Sum256([]byte(body))), size)
	return e
}

// visit is one connection with some requests.
func (d *torture) visit(r *rand.Rand) {
	conn := d.s.connect(d.t, d.v)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(4 * wiretest.Wait))
	var errands []errand
	all := ""
	for range 1 + r.IntN(6) {
		e := d.errand(r)
		errands = append(errands, e)
		all += e.send
	}
	leave := r.IntN(8) == 0
	if leave {
		all = all[:r.IntN(len(all))]
	}
	piece := 1 + r.IntN(1+len(all))
	go func() { // the proxy need not read everything before it answers
		for len(all) > 0 {
			n := min(piece, len(all))
			if _, err := io.WriteString(conn, all[:n]); err != nil {
				return
			}
			all = all[n:]
		}
		if leave {
			_ = conn.Close()
		}
	}()
	client := wiretest.NewClient(plain{d.t}, conn)
	for i, e := range errands {
		m, err := client.Response(e.method)
		switch {
		case leave && err != nil:
			return
		case err != nil && slices.ContainsFunc(errands[i:], func(e errand) bool { return e.behaviour == breaksOff }):
			// Breaking off resets the connection if there are requests unread behind it, and a reset takes
			// with it what the client has not read yet, answers before the broken one included.
			d.answers[1].Add(1)
			return
		case err != nil:
			d.t.Errorf("answer %d of %v: %v", i+1, errands, err)
			return
		case e.behaviour == saysNothing && m.Status() == 502:
			d.answers[2].Add(1)
		case e.behaviour == refusesBody && m.Status() == 413 && m.Body == e.id:
			d.answers[3].Add(1)
			if m.Get("Connection") == "close" {
				return
			}
		case m.Status() == 200 && m.Body == e.want && e.behaviour <= answersLate:
			d.answers[0].Add(1)
		default:
			d.t.Errorf("answer %d of %v: %q, %s", i+1, errands, m.StartLine, brief(m.Body))
			return
		}
	}
}

// plain is a testing.TB that keeps no clean-up: a visit ends its connection itself, and there are thousands.
type plain struct{ testing.TB }

// Cleanup does nothing.
func (plain) Cleanup(func()) {}
