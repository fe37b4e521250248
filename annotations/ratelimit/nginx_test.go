package ratelimit

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/yettproxy/yett/annotations/nginxtest"
	"github.com/yettproxy/yett/proxy/filter"
)

// step is a number of requests some milliseconds after the beginning.
type step struct{ at, count int }

// observed is one request that nginx decided, and between which times.
type observed struct {
	sent, answered time.Time
	passed         bool
}

// TestRatesAreThoseOfNginx sends the same requests to a real nginx and to our filter. nginx reads its clock
// somewhere between our sending and its answer; where that makes a difference to us, the run says nothing and is
// repeated.
func TestRatesAreThoseOfNginx(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it has to wait for tokens to come back")
	}
	for name, c := range map[string]struct {
		spec  Requests
		steps []step
	}{
		"per second": {
			spec:  Requests{PerSecond: 4, Multiplier: 2},
			steps: []step{{0, 12}, {125, 2}, {375, 2}, {875, 4}, {1125, 2}},
		},
		"per minute": {
			spec:  Requests{PerMinute: 100, Multiplier: 0},
			steps: []step{{0, 3}, {300, 1}, {900, 2}, {1200, 1}},
		},
		"both, the second strict": {
			spec:  Requests{PerSecond: 4, PerMinute: 100, Multiplier: 1},
			steps: []step{{0, 8}, {125, 2}, {875, 4}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			zones, limits := zonesOf(c.spec)
			server := nginxtest.Start(t, nil, zones, limits+" limit_req_status 429; location / { empty_gif; }")
			for try := range 5 {
				seen := observe(t, server.Client, fmt.Sprint("client", try), c.steps)
				early := replay(t, c.spec, seen, func(o observed) time.Time { return o.sent })
				late := replay(t, c.spec, seen, func(o observed) time.Time { return o.answered })
				if early != late {
					continue
				}
				var got string
				for _, o := range seen {
					got += sign(o.passed)
				}
				if got != early {
					t.Errorf("nginx %s\nours  %s", got, early)
				}
				return
			}
			t.Skip("the machine is too busy to tell when nginx saw which request")
		})
	}
}

// zonesOf writes a Spec as ingress-nginx would, keyed by a field instead of the address.
func zonesOf(s Requests) (zones, limits string) {
	add := func(name string, n int, unit string) {
		if n > 0 {
			zones += fmt.Sprintf("limit_req_zone $http_x_client zone=%s:5m rate=%dr/%s;", name, n, unit)
			if burst := n * s.Multiplier; burst > 0 {
				limits += fmt.Sprintf("limit_req zone=%s burst=%d nodelay;", name, burst)
			} else {
				limits += fmt.Sprintf("limit_req zone=%s nodelay;", name)
			}
		}
	}
	add("rps", s.PerSecond, "s")
	add("rpm", s.PerMinute, "m")
	return zones, limits
}

// observe sends the requests of steps to nginx.
func observe(t *testing.T, client *http.Client, name string, steps []step) (list []observed) {
	start := time.Now()
	for _, s := range steps {
		time.Sleep(time.Until(start.Add(time.Duration(s.at) * time.Millisecond))) // real time is what is compared
		for range s.count {
			o := observed{sent: time.Now()}
			o.passed = get(t, client, name) != 429
			o.answered = time.Now()
			list = append(list, o)
		}
	}
	return list
}

// get sends a request and returns the status.
func get(t *testing.T, client *http.Client, name string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://a.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Client", name)
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return res.StatusCode
}

// replay runs the same requests through our filter, each at the time that when gives it.
func replay(t *testing.T, s Requests, seen []observed, when func(observed) time.Time) (verdicts string) {
	f := newRig(t).build(s).(*rate)
	f.table.epoch = seen[0].sent
	for _, o := range seen {
		verdicts += sign(f.Request(&filter.Exchange{Start: when(o)}) == filter.Continue)
	}
	return verdicts
}

func sign(passed bool) string {
	if passed {
		return "+"
	}
	return "-"
}

// TestRatesAreAskedBeforeConnections finds out which limit nginx names when both are reached, and what a request
// costs that only the other one refuses.
func TestRatesAreAskedBeforeConnections(t *testing.T) {
	arrived, release := make(chan bool), make(chan bool)
	upstream := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- true
		<-release
	}))
	defer upstream.Close()
	server := nginxtest.Start(t, nil,
		"limit_req_zone $http_x_client zone=r:1m rate=1r/m; limit_conn_zone $http_x_client zone=c:1m;",
		fmt.Sprintf("limit_conn c 1; limit_req zone=r burst=2 nodelay; limit_req_status 429; limit_conn_status 509;"+
			"location / { proxy_pass http://%s; }", upstream.Listener.Addr().(*net.TCPAddr)))
	done := make(chan int)
	go func() { done <- get(t, server.Client, "c") }()
	<-arrived
	var theirs []int
	for range 4 {
		theirs = append(theirs, get(t, server.Client, "c"))
	}
	release <- true
	theirs = append(theirs, <-done)

	r := newRig(t)
	rates := r.build(Requests{PerMinute: 1, Multiplier: 2, Status: 429})
	connections := r.build(Connections{Limit: 1, Status: 509}).(filter.Finisher)
	var ours []int
	for range 5 {
		x := r.request("192.0.2.1", 0)
		if rates.Request(x) == filter.Continue && connections.Request(x) == filter.Continue {
			continue // the one that runs meanwhile
		}
		ours = append(ours, x.Response.Status)
	}
	ours = append(ours, 200)
	if fmt.Sprint(theirs) != fmt.Sprint(ours) {
		t.Errorf("nginx answers %v, ours %v", theirs, ours)
	}
}
