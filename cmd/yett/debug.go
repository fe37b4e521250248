package main

// The questions of `yett routes` and `yett explain`, asked of a gate that runs: over the profiler's port, which is on loopback and
// off with --profiling=false.
//
// The gate that serves is not touched. All objects are brought to a proxy of the question's own, as they stand at that moment in
// the caches, and that is asked. So a question costs a rebuild, a second one waits for it, and nothing is kept.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/yettproxy/yett/controllers/translate"
)

// questions answers them.
type questions struct {
	options *options
	// meaning are the options that the gate translates with.
	meaning func(world) translate.Options
	// world reads the objects of the gate.
	world func(context.Context) (world, error)
	mu    sync.Mutex
}

// register adds the paths.
func (q *questions) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/routes", func(w http.ResponseWriter, r *http.Request) {
		q.serve(w, r, 200, func(re *rehearsal) (any, error) { return listRoutes(re, r.FormValue("host")) })
	})
	mux.HandleFunc("GET /debug/explain", func(w http.ResponseWriter, r *http.Request) {
		question, err := questionOf(r.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		call, err := question.call()
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		q.serve(w, r, question.auth, func(re *rehearsal) (any, error) { return re.Explain(call) })
	})
}

// serve asks a rehearsal and writes the answer as JSON.
func (q *questions) serve(w http.ResponseWriter, r *http.Request, authStatus int, ask func(*rehearsal) (any, error)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	answer, err := q.answer(r.Context(), authStatus, ask)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	out := output("json")
	_ = out.print(w, answer, nil) // who asked may be gone
}

// answer brings the objects of the gate to a rehearsal, and asks it.
func (q *questions) answer(ctx context.Context, authStatus int, ask func(*rehearsal) (any, error)) (any, error) {
	world, err := q.world(ctx)
	if err != nil {
		return nil, fmt.Errorf("read objects: %w", err)
	}
	r, err := bring(ctx, q.options, q.meaning(world), world, authStatus)
	if err != nil {
		return nil, err
	}
	answer, err := ask(r)
	return answer, errors.Join(err, r.Close())
}

// query writes a question for /debug/explain.
func (q *question) query() string {
	v := url.Values{"method": {q.method}, "header": q.fields, "from": {q.from}, "auth-status": {strconv.Itoa(q.auth)}, "url": {q.url}}
	return v.Encode()
}

// questionOf reads what query writes.
func questionOf(v url.Values) (*question, error) {
	q := &question{method: v.Get("method"), fields: v["header"], from: v.Get("from"), url: v.Get("url"), auth: 200}
	if q.url == "" {
		return nil, errors.New("no url: write /debug/explain?url=http://host/path")
	}
	if q.method == "" {
		q.method = http.MethodGet
	}
	if q.from == "" {
		q.from = defaultFrom
	}
	if text := v.Get("auth-status"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, fmt.Errorf("auth-status is %q: write a number", text)
		}
		q.auth = n
	}
	return q, nil
}

// maxAnswer is how long the answer of a gate may be, in bytes.
const maxAnswer = 64 << 20

// askGate asks a gate that runs, and reads its answer into v.
func askGate(ctx context.Context, gate, path string, v any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, gate+path, nil)
	if err != nil {
		return fmt.Errorf("ask gate %q: %w", gate, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask gate: %w: --url is where its profiler listens, such as http://127.0.0.1:10245", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("ask gate: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("ask gate: %s: %.200s", res.Status, text)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("read answer of gate: %w", err)
	}
	return nil
}
