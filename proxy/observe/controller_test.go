package observe

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestControllerMetrics(t *testing.T) {
	c := NewController(Options{
		Namespace: "ingress-nginx", Class: "k8s.io/ingress-nginx", Pod: "pod-1",
		Build: Build{Release: "v1", Commit: "abc", Repository: "repo"},
	})
	c.Published(1234, time.Unix(1000, 0))
	c.Failed()
	c.Checked("shop", "web", true)
	c.Checked("shop", "web", false)
	c.SetLeader("ingress-controller-leader", true)
	c.SetOrphans([]Orphan{{"shop", "old", "no-service"}})
	c.SetOrphans([]Orphan{{"shop", "web", "no-endpoint"}})
	c.SetCertificates([]HostCertificate{
		{Host: "a.test", Namespace: "shop", Name: "tls", Leaf: &x509.Certificate{
			SerialNumber: big.NewInt(77), NotAfter: time.Unix(2000, 0), PublicKeyAlgorithm: x509.ECDSA,
			Issuer: pkix.Name{CommonName: "CA", Organization: []string{"Org"}, SerialNumber: "1"},
		}},
		{Host: "_", Leaf: &x509.Certificate{NotAfter: time.Unix(3000, 0)}},
		{Host: "none.test"},
	})
	c.SetAdmission(Admission{Tested: 1, Rendered: 2, ConfigBytes: 3, TestedTime: time.Second, RenderTime: 2 * time.Second, RoundTrip: 3 * time.Second})
	want := map[string]map[string]float64{
		"config_hash": {"": 1234}, "config_last_reload_successful": {"": 0},
		"config_last_reload_successful_timestamp_seconds": {"": 1000}, "success": {"": 1}, "errors": {"": 1},
		"check_success": {"ingress=web namespace=shop": 1}, "check_errors": {"ingress=web namespace=shop": 1},
		"leader_election_status": {"name=ingress-controller-leader": 1},
		"orphan_ingress":         {"ingress=web namespace=shop type=no-endpoint": 1},
		"ssl_expire_time_seconds": {
			"class=k8s.io/ingress-nginx host=a.test identifier=1-77 namespace=shop secret_name=tls": 2000,
			"class=k8s.io/ingress-nginx host=_ identifier=- namespace=ingress-nginx secret_name=":   3000,
		},
		"ssl_certificate_info": {
			"class=k8s.io/ingress-nginx host=a.test identifier=1-77 issuer_common_name=CA issuer_organization=Org namespace=shop public_key_algorithm=ECDSA secret_name=tls serial_number=77": 1,
			"class=k8s.io/ingress-nginx host=_ identifier=- issuer_common_name= issuer_organization= namespace=ingress-nginx public_key_algorithm=0 secret_name= serial_number=":              1,
		},
		"build_info":                 {"build=abc release=v1 repository=repo": 1},
		"admission_tested_ingresses": {"": 1}, "admission_tested_duration": {"": 1}, "admission_render_ingresses": {"": 2},
		"admission_render_duration": {"": 2}, "admission_config_size": {"": 3}, "admission_roundtrip_duration": {"": 3},
	}
	got := scrape(t, c)
	for name, samples := range got {
		values := make(map[string]float64)
		for labels, m := range samples {
			values[labels] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
		if w := want[strings.TrimPrefix(name, prefix)]; !maps.Equal(values, w) {
			t.Errorf("%s: %v, want %v", name, values, w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d metrics, want %d: %v", len(got), len(want), slices.Sorted(maps.Keys(got)))
	}
	c.SetCertificates(nil)
	if n := len(scrape(t, c)[prefix+"ssl_expire_time_seconds"]); n != 0 {
		t.Errorf("%d certificates after the leadership was lost", n)
	}
}

func TestANilControllerRecordsNothing(t *testing.T) {
	var c *Controller
	c.Published(1, time.Now())
	c.Failed()
	c.Checked("a", "b", true)
	c.SetLeader("x", true)
	c.SetOrphans(nil)
	c.SetCertificates(nil)
	c.SetAdmission(Admission{})
}

func TestNamesThatAreAskedAboutAreForgottenInTheEnd(t *testing.T) {
	c := NewController(Options{})
	for i := range maxChecked + 5 {
		c.Checked("flood", strconv.Itoa(i), i%2 == 0)
	}
	if n := len(scrape(t, c)[prefix+"check_success"]) + len(scrape(t, c)[prefix+"check_errors"]); n != 5 {
		t.Errorf("%d series after a flood of names, want those of the last 5", n)
	}
}

func TestProcessMetrics(t *testing.T) {
	stats := ConnStats{Accepted: 10, Handled: 9, Requests: 100, Active: 6, Reading: 1, Writing: 2, Waiting: 3, HandshakeErrors: 4}
	p := NewProcess(Options{}, Sources{Connections: func() ConnStats { return stats }, LogLinesDropped: func() uint64 { return 5 }})
	got := scrape(t, p)
	for name, samples := range map[string]map[string]float64{
		prefix + "nginx_process_connections":       {"state=active": 6, "state=reading": 1, "state=writing": 2, "state=waiting": 3},
		prefix + "nginx_process_connections_total": {"state=accepted": 10, "state=handled": 9},
		prefix + "nginx_process_requests_total":    {"": 100},
		prefix + "nginx_process_num_procs":         {"": 1},
		"yett_access_log_dropped_lines_total":      {"": 5},
		"yett_tls_handshake_errors_total":          {"": 4},
	} {
		for labels, want := range samples {
			m := got[name][labels]
			if v := m.GetGauge().GetValue() + m.GetCounter().GetValue(); m == nil || v != want {
				t.Errorf("%s{%s}: %v, want %v", name, labels, v, want)
			}
		}
	}
	for _, name := range []string{"cpu_seconds_total", "oldest_start_time_seconds", "resident_memory_bytes", "virtual_memory_bytes"} {
		m := got[prefix+"nginx_process_"+name][""]
		if m.GetGauge().GetValue()+m.GetCounter().GetValue() <= 0 {
			t.Errorf("%s: %v", name, m)
		}
	}
	scrape(t, NewProcess(Options{}, Sources{}))
}

func TestFilesThatTellNothing(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"empty": "", "text": "a b c\nread_bytes: x\n"} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, ok := memory(file); ok {
			t.Errorf("%s: memory found", name)
		}
		if _, ok := ioCounter(file, "read_bytes:"); ok {
			t.Errorf("%s: counter found", name)
		}
	}
	if _, _, ok := memory(filepath.Join(dir, "none")); ok {
		t.Errorf("no file: memory found")
	}
}
