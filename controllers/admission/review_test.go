package admission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"

	"github.com/yettproxy/yett/controllers/translate"
	"github.com/yettproxy/yett/proxy/observe"
)

// question returns an AdmissionReview about an object, as JSON.
func question(operation, object, old string) string {
	if old == "" {
		old = "null"
	}
	return `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1","kind":{"group":"networking.k8s.io","version":"v1","kind":"Ingress"},` +
		`"namespace":"shop","name":"web","operation":"` + operation + `","object":` + object + `,"oldObject":` + old + `}}`
}

// object returns an Ingress of our class with some annotations as JSON.
func object(annotations string) string {
	return `{"apiVersion":"networking.k8s.io/v1","kind":"Ingress","metadata":{"name":"web","namespace":"shop","annotations":{` + annotations + `}},` +
		`"spec":{"ingressClassName":"nginx","rules":[{"host":"x.test","http":{"paths":[{"path":"/","pathType":"Prefix","backend":{"service":{"name":"web","port":{"number":80}}}}]}}]}}`
}

const bad = `"nginx.ingress.kubernetes.io/proxy-read-timeout":"x"`

// newHandler returns a handler over a world with our class.
func newHandler(t testing.TB) *Handler {
	return NewHandler(validator(t, translate.Options{}), observe.NewController(observe.Options{}), logr.Discard())
}

// post asks a handler.
func post(h http.Handler, body io.Reader, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, Path+"?timeout=5s", body)
	r.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAnswers(t *testing.T) {
	h := newHandler(t)
	for name, tt := range map[string]struct {
		body    string
		allowed bool
		message string
	}{
		"a good one is created":            {question("CREATE", object(""), ""), true, ""},
		"a bad one is not":                 {question("CREATE", object(bad), ""), false, "Ingress shop/web would not work as written: annotation proxy-read-timeout"},
		"a good one becomes a bad one":     {question("UPDATE", object(bad), object("")), false, "proxy-read-timeout"},
		"a bad one stays as it is":         {question("UPDATE", object(bad), object(bad)), true, ""},
		"a bad one is deleted":             {question("DELETE", "null", object(bad)), true, ""},
		"a bad one connects":               {question("CONNECT", "null", ""), true, ""},
		"its status is written":            {strings.Replace(question("UPDATE", object(bad), object("")), `"operation"`, `"subResource":"status","operation"`, 1), true, ""},
		"a dry run is judged no other way": {strings.Replace(question("CREATE", object(bad), ""), `"operation"`, `"dryRun":true,"operation"`, 1), false, "proxy-read-timeout"},
		"a name that is still to be made":  {question("CREATE", strings.Replace(object(bad), `"name":"web",`, `"generateName":"w-",`, 1), ""), false, "proxy-read-timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			w := post(h, strings.NewReader(tt.body), nil)
			var review admissionv1.AdmissionReview
			if err := json.Unmarshal(w.Body.Bytes(), &review); err != nil || w.Code != 200 {
				t.Fatalf("%d %s: %v", w.Code, w.Body, err)
			}
			r := review.Response
			if review.APIVersion != "admission.k8s.io/v1" || review.Kind != "AdmissionReview" || review.Request != nil || r == nil || r.UID != "u-1" {
				t.Fatalf("%s", w.Body)
			}
			if r.Allowed != tt.allowed || !tt.allowed && (r.Result == nil || !strings.Contains(r.Result.Message, tt.message) || r.Result.Code != 400) {
				t.Errorf("%s", w.Body)
			}
		})
	}
}

func TestWhatIsNoQuestionIsAnError(t *testing.T) {
	h := newHandler(t)
	good := question("CREATE", object(""), "")
	deep := strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)
	for name, tt := range map[string]struct {
		body   string
		change func(*http.Request)
		status int
		says   string
	}{
		"another path":             {good, func(r *http.Request) { r.URL.Path = "/" }, 404, Path},
		"GET":                      {good, func(r *http.Request) { r.Method = http.MethodGet }, 405, "POST"},
		"another type":             {good, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 415, "application/json"},
		"packed":                   {good, func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, 415, "encoded"},
		"empty":                    {"", nil, 400, "read AdmissionReview"},
		"no JSON":                  {"apiVersion: v1", nil, 400, "read AdmissionReview"},
		"deep":                     {deep, nil, 400, "depth"},
		"deep inside the object":   {question("CREATE", deep, ""), nil, 400, "depth"},
		"v1beta1":                  {strings.Replace(good, "admission.k8s.io/v1", "admission.k8s.io/v1beta1", 1), nil, 400, "admissionReviewVersions: [v1]"},
		"another kind of question": {strings.Replace(good, "AdmissionReview", "ConversionReview", 1), nil, 400, "ConversionReview"},
		"without a request":        {`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}`, nil, 400, "no request"},
		"without a uid":            {strings.Replace(good, "u-1", "", 1), nil, 400, "uid"},
		"about a Service":          {strings.Replace(good, `"networking.k8s.io","version":"v1","kind":"Ingress"`, `"","version":"v1","kind":"Service"`, 1), nil, 400, "Service"},
		"without an object":        {question("CREATE", "null", ""), nil, 400, ""},
		"an object of strings":     {question("CREATE", `{"spec":{"rules":"x"}}`, ""), nil, 400, "read Ingress"},
		"announced as huge":        {good, func(r *http.Request) { r.ContentLength = maxBody + 1 }, 413, "at most"},
		"many parts":               {`{"a":[` + strings.Repeat("{},", maxParts) + `{}]}`, nil, 413, "parts"},
	} {
		t.Run(name, func(t *testing.T) {
			w := post(h, strings.NewReader(tt.body), tt.change)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) {
				t.Errorf("%d %s, want %d with %q", w.Code, w.Body, tt.status, tt.says)
			}
		})
	}
	if held := h.load.bodies.Load(); held != 0 {
		t.Errorf("%d bytes of bodies are still held", held)
	}
}

// endless sends spaces for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestABodyWithoutEndEnds(t *testing.T) {
	h := newHandler(t)
	if w := post(h, endless{}, func(r *http.Request) { r.ContentLength = -1 }); w.Code != 413 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestAFloodOfLargeQuestionsIsBounded asks 200 large questions at a time, while small ones are to be answered.
func TestAFloodOfLargeQuestionsIsBounded(t *testing.T) {
	h := newHandler(t)
	// The costliest that pass: as many small parts as are let through, and long text.
	big := question("CREATE", strings.Replace(object(bad), `"rules":[`, `"tls":[`+strings.Repeat("{},", 380_000)+`{}],"rules":[`, 1), "")
	long := question("CREATE", object(bad+`,"a":"`+strings.Repeat("x", 3<<20)+`"`), "")
	var most uint64
	stop, watched := make(chan struct{}), make(chan struct{})
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	go func() {
		defer close(watched)
		for {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
	}()
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	for i := range 200 {
		body := big
		if i%2 == 0 {
			body = long
		}
		wg.Go(func() {
			w := post(h, strings.NewReader(body), nil)
			mu.Lock()
			statuses[w.Code]++
			mu.Unlock()
		})
	}
	small := 0
	for range 50 {
		if post(h, strings.NewReader(question("CREATE", object(""), "")), nil).Code == 200 {
			small++
		}
	}
	wg.Wait()
	close(stop)
	<-watched
	t.Logf("answers to large questions %v, %d of 50 small ones answered; heap grew by at most %d MiB", statuses, small, (most-before.HeapAlloc)>>20)
	for status := range statuses {
		if status != 200 && status != 429 && status != 503 {
			t.Errorf("status %d", status)
		}
	}
	if grown := most - before.HeapAlloc; grown > 192<<20 {
		t.Errorf("heap grew by %d MiB", grown>>20)
	}
	if w := post(h, strings.NewReader(question("CREATE", object(""), "")), nil); w.Code != 200 {
		t.Errorf("afterwards: %d %s", w.Code, w.Body)
	}
	if held := h.load.bodies.Load(); held != 0 {
		t.Errorf("%d bytes of bodies are still held", held)
	}
}

// TestAnIngressWithTenThousandRulesIsJudgedSoon checks the largest that is legal.
func TestAnIngressWithTenThousandRulesIsJudgedSoon(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	var list bytes.Buffer
	for i := range 10_000 {
		fmt.Fprintf(&list, `{"host":"h%d.test","http":{"paths":[{"path":"/","pathType":"Prefix","backend":{"service":{"name":"web","port":{"number":80}}}}]}},`, i)
	}
	body := question("CREATE", strings.Replace(object(bad), `"rules":[`, `"rules":[`+list.String(), 1), "")
	start := time.Now()
	w := post(newHandler(t), strings.NewReader(body), nil)
	took := time.Since(start)
	t.Logf("%d KiB in %s", len(body)>>10, took)
	if w.Code != 200 || !strings.Contains(w.Body.String(), "proxy-read-timeout") {
		t.Errorf("%d %.300s", w.Code, w.Body)
	}
	if took > 4*time.Second {
		t.Errorf("took %s", took)
	}
}

// FuzzReview asks anything: an answer is JSON that the API server understands, or an HTTP error.
func FuzzReview(f *testing.F) {
	f.Add([]byte(question("CREATE", object(""), "")))
	f.Add([]byte(question("UPDATE", object(bad), object(""))))
	f.Add([]byte(question("CREATE", object(`"nginx.ingress.kubernetes.io/auth-type":"basic","nginx.ingress.kubernetes.io/use-regex":"true"`), "")))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"\n","kind":{"group":"networking.k8s.io","version":"v1","kind":"Ingress"},"operation":"CREATE","object":{"spec":{"rules":[null,{"http":{"paths":[null]}}]}}}}`))
	h := newHandler(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		w := post(h, bytes.NewReader(body), nil)
		switch w.Code {
		case 200:
			var review admissionv1.AdmissionReview
			if err := json.Unmarshal(w.Body.Bytes(), &review); err != nil || review.Response == nil || review.Response.UID == "" {
				t.Fatalf("%s: %v", w.Body, err)
			}
			if r := review.Response; !r.Allowed && (r.Result == nil || r.Result.Message == "") {
				t.Fatalf("refused without a word: %s", w.Body)
			}
			for _, warning := range review.Response.Warnings {
				if len(warning) > maxWarning || strings.ContainsFunc(warning, func(r rune) bool { return r < ' ' }) {
					t.Fatalf("warning %q", warning)
				}
			}
		case 400, 413:
		default:
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	})
}
