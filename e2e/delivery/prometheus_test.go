package delivery

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/yettproxy/yett/e2e/harness"
)

// prometheus answers the queries that Flagger sends, of the form sum(rate(series{matchers}[time])) / sum(...) * factor, with
// what a gate says of itself at that moment. Rates are taken over the whole life of the gate: their quotient is what
// counts. A query that finds nothing has no result, as in Prometheus, and Flagger takes that for a failure.
type prometheus struct {
	t    *testing.T
	gate *harness.Gate
}

var (
	selectors = regexp.MustCompile(`(\w+)\s*\{([^}]*)\}`)
	matchers  = regexp.MustCompile(`(\w+)\s*(=|!=|=~|!~)\s*"([^"]*)"`)
	factor    = regexp.MustCompile(`\*\s*(\d+)\s*$`)
)

// startPrometheus serves one and returns its address.
func startPrometheus(t *testing.T, g *harness.Gate) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(harness.NodeIP, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: &prometheus{t, g}}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	return "http://" + l.Addr().String()
}

func (p *prometheus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.FormValue("query")
	var result []any
	if value, ok := p.value(query); ok {
		result = append(result, map[string]any{"metric": map[string]string{}, "value": []any{time.Now().Unix(), strconv.FormatFloat(value, 'f', -1, 64)}})
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "vector", "result": result}})
}

// value computes a query.
func (p *prometheus) value(query string) (float64, bool) {
	if query == "vector(1)" { // are you there?
		return 1, true
	}
	parts := selectors.FindAllStringSubmatch(query, -1)
	times := factor.FindStringSubmatch(query)
	if len(parts) != 2 || times == nil {
		p.t.Errorf("a query that is not understood: %s", query)
		return 0, false
	}
	above, ok1 := p.sum(parts[0][1], parts[0][2])
	below, ok2 := p.sum(parts[1][1], parts[1][2])
	if !ok1 || !ok2 || below == 0 {
		return 0, false
	}
	by, _ := strconv.ParseFloat(times[1], 64)
	return above / below * by, true
}

// sum adds the series that match; found is whether there is one.
func (p *prometheus) sum(series, conditions string) (sum float64, found bool) {
	_, text, err := harness.Ask(harness.Browser(p.t), p.gate.Health, "metrics", "/metrics")
	if err != nil {
		p.t.Error(err)
		return 0, false
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		p.t.Error(fmt.Errorf("read metrics: %w", err))
		return 0, false
	}
	value := func(m *dto.Metric) float64 { return m.GetCounter().GetValue() }
	if family, ok := strings.CutSuffix(series, "_sum"); ok {
		series, value = family, func(m *dto.Metric) float64 { return m.GetHistogram().GetSampleSum() + m.GetSummary().GetSampleSum() }
	} else if family, ok := strings.CutSuffix(series, "_count"); ok {
		series, value = family, func(m *dto.Metric) float64 {
			return float64(m.GetHistogram().GetSampleCount() + m.GetSummary().GetSampleCount())
		}
	}
	for _, m := range families[series].GetMetric() {
		if matches(m, conditions) {
			sum, found = sum+value(m), true
		}
	}
	return sum, found
}

// matches reports whether a series has the labels that a selector asks for. A label that is not there is empty.
func matches(m *dto.Metric, conditions string) bool {
	have := map[string]string{}
	for _, l := range m.Label {
		have[l.GetName()] = l.GetValue()
	}
	for _, c := range matchers.FindAllStringSubmatch(conditions, -1) {
		got := have[c[1]]
		pattern := c[3]
		if c[2] == "=" || c[2] == "!=" {
			pattern = regexp.QuoteMeta(pattern)
		}
		if regexp.MustCompile("^(?:"+pattern+")$").MatchString(got) == strings.HasPrefix(c[2], "!") {
			return false
		}
	}
	return true
}
