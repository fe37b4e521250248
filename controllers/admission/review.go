package admission

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/yettproxy/yett/proxy/observe"
)

// Path is where the API server asks, as it did ingress-nginx.
const Path = "/networking/v1/ingresses"

// version is the only version of the question that is understood.
const version = "admission.k8s.io/v1"

// Handler answers the API server. The zero value of each field but the first is good.
type Handler struct {
	Validator *Validator
	Metrics   *observe.Controller
	Log       logr.Logger

	load load
}

// problem is why a question cannot be answered; then the failurePolicy decides.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

// unanswerable returns a problem.
func unanswerable(status int, format string, args ...any) error {
	return &problem{status, fmt.Sprintf(format, args...)}
}

// NewHandler returns a handler that judges as many Ingresses at a time as there are processors.
func NewHandler(v *Validator, m *observe.Controller, log logr.Logger) *Handler {
	return &Handler{Validator: v, Metrics: m, Log: log, load: newLoad()}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), patience(r))
	defer cancel()
	answer, err := h.answer(ctx, w, r, start)
	if err != nil {
		status := http.StatusInternalServerError
		var p *problem
		switch {
		case errors.As(err, &p):
			status = p.status
		case ctx.Err() != nil:
			status = http.StatusServiceUnavailable // the API server has given up, too
		default:
			h.Log.Error(err, "not judged")
		}
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "1")
		}
		http.Error(w, err.Error(), status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer)
}

// answer returns the answer to one question as JSON.
func (h *Handler) answer(ctx context.Context, w http.ResponseWriter, r *http.Request, start time.Time) (answer []byte, err error) {
	if err := check(r); err != nil {
		return nil, err
	}
	body, done, err := h.load.read(w, r)
	defer done()
	if err != nil {
		return nil, err
	}
	leave, err := h.load.enter(ctx, len(body))
	if err != nil {
		return nil, err
	}
	defer leave()
	defer func() {
		if cause := recover(); cause != nil {
			answer, err = nil, fmt.Errorf("internal error, please report it: %v", cause)
		}
	}()
	review, err := decode(body)
	if err != nil {
		return nil, err
	}
	response, err := h.respond(ctx, review.Request, len(body), start)
	if err != nil {
		return nil, err
	}
	response.UID = review.Request.UID
	review.Request, review.Response = nil, response
	return json.Marshal(review)
}

// check refuses what is no question.
func check(r *http.Request) error {
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch {
	case r.URL.Path != Path:
		return unanswerable(http.StatusNotFound, "there is nothing here: the path is %s", Path)
	case r.Method != http.MethodPost:
		return unanswerable(http.StatusMethodNotAllowed, "write POST")
	case !strings.EqualFold(strings.TrimSpace(mediaType), "application/json"):
		return unanswerable(http.StatusUnsupportedMediaType, "write Content-Type: application/json")
	case r.Header.Get("Content-Encoding") != "":
		return unanswerable(http.StatusUnsupportedMediaType, "a body must not be encoded")
	}
	return nil
}

// decode reads a question.
func decode(body []byte) (*admissionv1.AdmissionReview, error) {
	if n := bytes.Count(body, []byte(",")) + bytes.Count(body, []byte("{")); n > maxParts {
		return nil, unanswerable(http.StatusRequestEntityTooLarge, "the body has %d parts, at most %d are read", n, maxParts)
	}
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &review); err != nil {
		return nil, unanswerable(http.StatusBadRequest, "read AdmissionReview: %s", err)
	}
	switch {
	case review.APIVersion != version || review.Kind != "AdmissionReview":
		return nil, unanswerable(http.StatusBadRequest, "%q %q is not understood: write admissionReviewVersions: [v1] in the ValidatingWebhookConfiguration",
			cut(review.APIVersion), cut(review.Kind))
	case review.Request == nil:
		return nil, unanswerable(http.StatusBadRequest, "the AdmissionReview has no request")
	case review.Request.UID == "" || len(review.Request.UID) > 256:
		return nil, unanswerable(http.StatusBadRequest, "the request has no uid, or one that is too long")
	}
	return &review, nil
}

// ingressKind is what is judged.
var ingressKind = metav1.GroupVersionKind{Group: networkingv1.GroupName, Version: "v1", Kind: "Ingress"}

// respond answers a question.
func (h *Handler) respond(ctx context.Context, q *admissionv1.AdmissionRequest, size int, start time.Time) (*admissionv1.AdmissionResponse, error) {
	if q.Kind != ingressKind {
		return nil, unanswerable(http.StatusBadRequest, "asked about a %s of %s/%s: the rules of the ValidatingWebhookConfiguration must name ingresses of %s/v1 only",
			cut(q.Kind.Kind), cut(q.Kind.Group), cut(q.Kind.Version), networkingv1.GroupName)
	}
	if q.SubResource != "" || q.Operation != admissionv1.Create && q.Operation != admissionv1.Update {
		return &admissionv1.AdmissionResponse{Allowed: true}, nil
	}
	object, err := ingress(q, q.Object.Raw)
	if err != nil {
		return nil, err
	}
	var old *networkingv1.Ingress
	if q.Operation == admissionv1.Update && len(q.OldObject.Raw) > 0 {
		if old, err = ingress(q, q.OldObject.Raw); err != nil {
			return nil, err
		}
	}
	began := time.Now()
	j, err := h.Validator.Judge(ctx, object, old)
	if err != nil {
		return nil, fmt.Errorf("judge Ingress %s/%s: %w", object.Namespace, object.Name, err)
	}
	if j.Ours {
		h.record(j, object, size, start, began)
	}
	return j.response(object), nil
}

// ingress reads an Ingress.
func ingress(q *admissionv1.AdmissionRequest, raw []byte) (*networkingv1.Ingress, error) {
	if len(raw) == 0 {
		return nil, unanswerable(http.StatusBadRequest, "the request has no object")
	}
	var ing networkingv1.Ingress
	if err := json.Unmarshal(raw, &ing); err != nil {
		return nil, unanswerable(http.StatusBadRequest, "read Ingress: %s", err)
	}
	if ing.Namespace == "" {
		ing.Namespace = q.Namespace
	}
	if ing.Name == "" {
		ing.Name = q.Name
	}
	return &ing, nil
}

// response says a judgement in the API server's words.
func (j *Judgement) response(ing *networkingv1.Ingress) *admissionv1.AdmissionResponse {
	r := &admissionv1.AdmissionResponse{Allowed: len(j.Refusals) == 0, Warnings: j.Warnings}
	if r.Allowed {
		return r
	}
	message := "Ingress " + ing.Namespace + "/" + ing.Name + " would not work as written: "
	if len(j.Refusals) == 1 {
		message += j.Refusals[0]
	} else {
		message += "\n- " + strings.Join(j.Refusals, "\n- ")
	}
	r.Result = &metav1.Status{Status: metav1.StatusFailure, Code: http.StatusBadRequest, Reason: metav1.StatusReasonBadRequest, Message: message}
	return r
}

// record counts an answer.
func (h *Handler) record(j *Judgement, ing *networkingv1.Ingress, size int, start, began time.Time) {
	now := time.Now()
	h.Metrics.Checked(ing.Namespace, ing.Name, len(j.Refusals) == 0)
	h.Metrics.SetAdmission(observe.Admission{
		Tested: 1, Rendered: j.Looked, ConfigBytes: size,
		TestedTime: now.Sub(began), RenderTime: began.Sub(start), RoundTrip: now.Sub(start),
	})
	if len(j.Refusals) > 0 {
		h.Log.V(1).Info("refused", "ingress", ing.Namespace+"/"+ing.Name, "reasons", j.Refusals)
	}
}

// cut keeps what strangers write short.
func cut(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "…"
	}
	return line(s)
}
