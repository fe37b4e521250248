package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/yettproxy/yett/e2e/harness"
)

// accessLine waits for the line of the access log that has a word.
func (s *stage) accessLine(word string) string {
	s.t.Helper()
	line := ""
	harness.Until(s.t, 3*time.Second, "access log line with "+word, func() bool {
		for l := range strings.SplitSeq(s.gate.Output(), "\n") {
			if strings.Contains(l, word) {
				line = l
				return true
			}
		}
		return false
	})
	return line
}

// TestCompatAccessLogLine reads the default format as log pipelines do.
func TestCompatAccessLogLine(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	s.pair("main", nil, []string{"canary-by-header: X-Canary"})
	s.add(ing{name: "down", host: "down.test", paths: []string{"/ Prefix down"}}.String(), endpoints("down", 1, "127.0.0.9", "127.0.0.8"),
		ing{name: "users", host: "users.test", paths: []string{"/"}, notes: []string{"auth-type: basic", "auth-secret: users"}}.String(), secret("users", `auth: alice:{PLAIN}secret`))
	s.start()
	line := func(want string, f func()) {
		t.Helper()
		f()
		mark := regexp.MustCompile(`mark=\w+`).FindString(want)
		if got := s.accessLine(mark); !regexp.MustCompile("^" + want + "$").MatchString(got) {
			t.Errorf("line\n%s\nwant\n%s", got, want)
		}
	}
	const stamp = `\[\d\d/\w\w\w/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]`
	port := strconv.Itoa(s.ports["a"])
	line(`127\.0\.0\.1 - - `+stamp+` "GET /x\?mark=one HTTP/1\.1" 200 \d+ "http://ref/" "agent 1" \d+ \d\.\d{3} \[default-a-main-80\] \[\] 127\.0\.0\.1:`+port+` \d+ \d\.\d{3} 200 [0-9a-f]{32}`,
		func() { s.get("main.test", "/x?mark=one", "Referer: http://ref/", "User-Agent: agent 1") })
	line(`127\.0\.0\.1 - - `+stamp+` "POST /\?mark=two&status=404 HTTP/1\.1" 404 \d+ "-" "-" \d+ \d\.\d{3} \[default-a-main-80\] \[default-b-main-80\] 127\.0\.0\.1:`+strconv.Itoa(s.ports["b"])+` \d+ \d\.\d{3} 404 my-id`,
		func() {
			s.send("POST", "main.test", "/?mark=two&status=404", "b", "X-Canary: always", "X-Request-ID: my-id")
		})
	line(`127\.0\.0\.1 - - `+stamp+` "GET /\?mark=three HTTP/1\.1" 502 \d+ "-" "-" \d+ \d\.\d{3} \[default-down-80\] \[\] 127\.0\.0\.[89]:1, 127\.0\.0\.[89]:1, 127\.0\.0\.[89]:1 (0|-), (0|-), (0|-) \d\.\d{3}, \d\.\d{3}, \d\.\d{3} 502, 502, 502 [0-9a-f]{32}`,
		func() { s.get("down.test", "/?mark=three") })
	line(`127\.0\.0\.1 - alice `+stamp+` "GET /\?mark=four HTTP/1\.1" 200 .*`, func() { s.get("users.test", "/?mark=four", basic("alice", "secret")) })
	line(`127\.0\.0\.1 - - `+stamp+` "GET /\?mark=five HTTP/1\.1" 401 \d+ "-" "-" \d+ \d\.\d{3} \[default-a-80\] \[\] - - - - [0-9a-f]{32}`, func() { s.get("users.test", "/?mark=five") })
}

// TestCompatAccessLogSettings are the keys of the ConfigMap, and the annotation.
func TestCompatAccessLogSettings(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "on", host: "on.test", paths: []string{"/"}}.String(), ing{name: "off", host: "off.test", paths: []string{"/"}, notes: []string{"enable-access-log: false"}}.String())
	format := `{"t": "$time_iso8601", "host": "$host", "uri": "$uri", "args": "$args", "agent": "$http_user_agent", "status": $status, "time": $request_time, "upstream": "$upstream_addr", "ingress": "$namespace/$ingress_name/$service_name/$service_port", "id": "$req_id"}`
	s.edit("settings", configMap("log-format-upstream: "+format, "log-format-escape-json: true"))
	s.start()
	agent := `quote " back \ tab	ctl ` + " \xc3\xa4 \xff"
	s.get("on.test", "/json%22x?a=%22&mark=json", "User-Agent: "+agent)
	var entry struct {
		T, Host, URI, Args, Agent, Upstream, Ingress, ID string
		Status                                           int
		Time                                             float64
	}
	if err := json.Unmarshal([]byte(s.accessLine("mark=json")), &entry); err != nil {
		t.Errorf("%v in %q", err, s.accessLine("mark=json"))
	}
	if entry.Host != "on.test" || entry.URI != `/json"x` || entry.Args != "a=%22&mark=json" || entry.Status != 200 || entry.Ingress != "default/on/a/80" || !strings.HasPrefix(entry.Agent, `quote " back \ tab`) {
		t.Errorf("%+v", entry)
	}
	if _, err := time.Parse(time.RFC3339, entry.T); err != nil {
		t.Error(err)
	}
	s.get("off.test", "/?mark=annotated")
	s.get("unknown.test", "/?mark=unmatched")
	s.edit("settings", configMap("log-format-upstream: changed $request_uri $no_such_variable"))
	s.logged("log-format-upstream", "no_such_variable")
	s.get("on.test", "/?mark=kept")
	if line := s.accessLine("mark=kept"); !strings.HasPrefix(line, "{") {
		t.Errorf("with a broken format: %q", line)
	}
	live := func(what, prefix string) {
		t.Helper()
		harness.Until(t, 5*time.Second, what, func() bool {
			s.get("on.test", "/?mark=live")
			return strings.Contains(s.gate.Output(), "\n"+prefix+"/?mark=live")
		})
	}
	s.edit("settings", configMap("log-format-upstream: second $request_uri", "skip-access-log-urls: /skipped,~*^/SKIP2", "enable-access-log-for-default-backend: true"))
	live("another format", "second ")
	s.get("on.test", "/skipped")
	s.get("on.test", "/skip2/x")
	s.get("unknown.test", "/?mark=nowmatched")
	s.accessLine("mark=nowmatched")
	file := filepath.Join(s.dir, "access.log")
	s.edit("settings", configMap("access-log-path: "+file))
	harness.Until(t, 5*time.Second, "access-log-path", func() bool {
		s.get("on.test", "/?mark=infile")
		text, _ := os.ReadFile(file)
		return strings.Contains(string(text), "mark=infile")
	})
	s.edit("settings", configMap("disable-access-log: true"))
	time.Sleep(300 * time.Millisecond)
	s.get("on.test", "/?mark=disabled")
	s.edit("settings", configMap("log-format-upstream: third $request_uri"))
	live("after all", "third ")
	for _, word := range []string{"mark=annotated", "mark=unmatched", "/skipped", "/skip2/x", "mark=disabled"} {
		if strings.Contains(s.gate.Output(), word) {
			t.Errorf("%s is logged", word)
		}
	}
}

// metrics returns the series at /metrics by name and labels.
func (s *stage) metrics() map[string]float64 {
	s.t.Helper()
	_, body, err := harness.Ask(harness.Browser(s.t), s.gate.Health, "x", "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]float64{}
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		i := strings.LastIndexByte(line, ' ')
		if i < 0 || line[0] == '#' {
			continue
		}
		out[line[:i]], _ = strconv.ParseFloat(line[i+1:], 64)
	}
	return out
}

// series returns the sum of the series of a name that have all of some labels, and how many there are.
func series(all map[string]float64, name string, labels ...string) (sum float64, n int) {
next:
	for key, value := range all {
		if !strings.HasPrefix(key, name+"{") && key != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(key, "{"+l) && !strings.Contains(key, ","+l) {
				continue next
			}
		}
		sum, n = sum+value, n+1
	}
	return sum, n
}

// TestCompatMetrics is nginx-compat section 4.6 and what Flagger asks for.
func TestCompatMetrics(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	s.pair("main", nil, []string{"canary-by-header: X-Canary"})
	c, k := certificate(t, "tls.test")
	s.add(ing{name: "tls", host: "tls.test", paths: []string{"/sub Prefix a"}, secret: "cert", notes: []string{"ssl-redirect: false"}}.String(), tlsSecret("cert", c, k), ing{name: "orphan", host: "orphan.test", paths: []string{"/ Prefix nobody"}}.String())
	s.start("--metrics-per-undefined-host=false")
	const p = "nginx_ingress_controller_"
	primary := []string{`namespace="default"`, `ingress="main"`, `service="a-main"`, `canary=""`, `path="/"`, `host="main.test"`, `method="GET"`, `status="200"`}
	canary := []string{`namespace="default"`, `ingress="main"`, `service="a-main"`, `canary="default-b-main-80"`, `host="main.test"`}
	if _, n := series(s.metrics(), p+"requests", canary...); n == 0 {
		t.Error("no series for the canary before its first request")
	}
	for range 3 {
		s.get("main.test", "/x/y?z")
	}
	for range 2 {
		s.get("main.test", "/", "X-Canary: always")
	}
	s.get("main.test", "/?status=503", "X-Canary: always")
	s.get("tls.test", "/sub/x")
	for range 5 {
		s.get("undefined.test", "/x")
	}
	s.get("orphan.test", "/")
	var all map[string]float64
	harness.Until(t, 5*time.Second, "all requests in the metrics", func() bool { // each is counted when its response has been sent
		all = s.metrics()
		sum, _ := series(all, p+"requests")
		return sum >= 8
	})
	for _, check := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"requests", append(canary, `status="200"`), 2}, {"requests", append(canary, `status="503"`), 1}, {"requests", []string{`ingress="tls"`, `path="/sub"`, `service="a"`}, 1}, {"requests", []string{`host="undefined.test"`}, 0}, {"requests", []string{`ingress="orphan"`, `status="503"`}, 1},
		{"response_duration_seconds_count", append(canary, `status="200"`), 2}, {"request_duration_seconds_count", primary, 3}, {"header_duration_seconds_count", primary, 3}, {"connect_duration_seconds_count", primary, 3},
		{"request_size_count", primary, 3}, {"response_size_count", primary, 3}, {"bytes_sent_count", primary, 3},
	} {
		if got, _ := series(all, p+check.name, check.labels...); got != check.want {
			t.Errorf("%s %v is %v, want %v", check.name, check.labels, got, check.want)
		}
	}
	harness.Until(t, 9*time.Second, "what is looked at every five seconds", func() bool {
		all = s.metrics()
		_, n := series(all, p+"ssl_expire_time_seconds", `host="tls.test"`, `secret_name="cert"`)
		return n == 1
	})
	if v, _ := series(all, p+"orphan_ingress", `ingress="orphan"`, `type="no-service"`); v != 1 {
		t.Errorf("orphan_ingress of a missing Service is %v", v)
	}
	for _, name := range []string{"config_hash", "config_last_reload_successful", "config_last_reload_successful_timestamp_seconds", "success", "ssl_expire_time_seconds", "ssl_certificate_info", "build_info", "orphan_ingress",
		"nginx_process_connections", "nginx_process_connections_total", "nginx_process_requests_total", "nginx_process_cpu_seconds_total", "nginx_process_resident_memory_bytes", "nginx_process_virtual_memory_bytes", "nginx_process_read_bytes_total", "nginx_process_write_bytes_total", "nginx_process_num_procs", "nginx_process_oldest_start_time_seconds"} {
		if _, n := series(all, p+name); n == 0 {
			t.Errorf("no series of %s", name)
		}
	}
	for _, labels := range [][]string{{`controller_class="k8s.io/ingress-nginx"`}, {`controller_namespace=`}, {`controller_pod=`}} {
		if _, n := series(all, p+"requests", labels...); n == 0 {
			t.Errorf("no requests with %s", labels)
		}
	}
	for _, path := range []string{"/x/y", "/sub/x"} {
		if _, n := series(all, p+"requests", `path="`+path); n != 0 {
			t.Errorf("a path of a client is a label: %s", path)
		}
	}
}
