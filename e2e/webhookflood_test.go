package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/yettproxy/yett/e2e/harness"
)

// TestAFloodOfReviews asks 10,000 times, 50 at a time, while there are 5,000 Ingresses, and prints what it costs.
func TestAFloodOfReviews(t *testing.T) {
	if testing.Short() {
		t.Skip("creates 5,000 Ingresses")
	}
	c := apiServer(t)
	const stored, reviews, parallel = 5000, 10_000, 50
	var wg sync.WaitGroup
	for part := range 16 {
		wg.Go(func() {
			for i := part; i < stored; i += 16 {
				if err := c.Create(context.Background(), harness.Service("default", fmt.Sprintf("s%d", i))); err != nil {
					t.Error(err)
					return
				}
				if err := c.Create(context.Background(), harness.Ingress("default", fmt.Sprintf("i%d", i), "nginx", fmt.Sprintf("h%d.test", i), fmt.Sprintf("s%d", i))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	g := withWebhook(t, c)
	c.answers(t)
	transport := &http.Transport{TLSClientConfig: &tls.Config{ServerName: hookName + ".default.svc", RootCAs: c.roots(t)}, MaxIdleConnsPerHost: parallel}
	defer transport.CloseIdleConnections()
	ask := func(i int) (allowed bool, err error) {
		o := harness.Ingress("default", fmt.Sprintf("i%d", i%stored), "nginx", fmt.Sprintf("h%d.test", i%stored), "web")
		o.CreationTimestamp = metav1.Now()
		if i%2 == 0 {
			o.Name = "thief" // takes what another has
		}
		raw, _ := json.Marshal(o)
		body, _ := json.Marshal(&admissionv1.AdmissionReview{TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: &admissionv1.AdmissionRequest{
			UID: "u", Kind: metav1.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}, Operation: admissionv1.Update, Object: runtime.RawExtension{Raw: raw},
		}})
		resp, err := (&http.Client{Transport: transport}).Post(fmt.Sprintf("https://%s:%d/networking/v1/ingresses?timeout=10s", hookIP, hookPort), "application/json", bytes.NewReader(body))
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		var review admissionv1.AdmissionReview
		if err != nil || resp.StatusCode != 200 || json.Unmarshal(text, &review) != nil {
			return false, fmt.Errorf("%d %s: %w", resp.StatusCode, text, err)
		}
		return review.Response.Allowed, nil
	}
	one := &latencies{}
	for i := range 1000 {
		start := time.Now()
		if _, err := ask(i); err != nil {
			t.Fatal(err)
		}
		one.add(time.Since(start))
	}
	idle := resident(t, g.PID())
	flood := func(reviews int) (took *latencies, wrong, peak int64) {
		took = &latencies{}
		var next, failed, most atomic.Int64
		var wg sync.WaitGroup
		for range parallel {
			wg.Go(func() {
				for i := int(next.Add(1)); i <= reviews; i = int(next.Add(1)) {
					start := time.Now()
					allowed, err := ask(i)
					took.add(time.Since(start))
					if err != nil || allowed == (i%2 == 0) {
						failed.Add(1)
						t.Logf("review %d: allowed %v, %v", i, allowed, err)
					}
					if i%200 == 0 {
						most.Store(max(most.Load(), resident(t, g.PID())))
					}
				}
			})
		}
		wg.Wait()
		return took, failed.Load(), most.Load()
	}
	// The garbage collector lets the heap of a busy process grow to twice what is kept, once; after that nothing may be added.
	_, _, warm := flood(reviews / 5)
	begun := cpu(t, g.PID())
	took, wrong, peak := flood(reviews)
	each := time.Duration(cpu(t, g.PID())-begun) / reviews
	t.Logf("with %d Ingresses, one at a time: p50 %s, p99 %s", stored, one.quantile(0.5), one.quantile(0.99))
	t.Logf("%d reviews, %d at a time: p50 %s, p99 %s (the bar is 100 ms, on a machine of its own), %s of processor time each, resident %d MiB idle, %d busy, %d at most",
		reviews, parallel, took.quantile(0.5), took.quantile(0.99), each, idle>>20, warm>>20, peak>>20)
	if wrong > 0 {
		t.Errorf("%d of %d reviews were lost or wrong", wrong, reviews)
	}
	if peak-warm > 64<<20 || peak-idle > 192<<20 {
		t.Errorf("resident memory grew by %d MiB, by %d MiB since it was idle", (peak-warm)>>20, (peak-idle)>>20)
	}
	if each > 20*time.Millisecond {
		t.Errorf("%s of processor time for a review, want at most 20 ms", each)
	}
}
