package e2e

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestAttackVariables puts what clients choose into every text that may hold variables.
func TestAttackVariables(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	auth := newAuthServer(t)
	s.serve("hash", echo("hash"), four...)
	texts := func(name, path string, notes ...string) {
		s.add(ing{name: name, host: name + ".test", paths: []string{path}, notes: notes}.String())
	}
	texts("vhost", "/", "upstream-vhost: x$uri")
	texts("vhostarg", "/", "upstream-vhost: $arg_h")
	texts("vhosthead", "/", "upstream-vhost: $http_x")
	texts("authurl", "/", "auth-url: "+auth.url+"/200$uri?a=$arg_h")
	texts("authhost", "/", "auth-url: http://$arg_h/200")
	texts("authhead", "/", "auth-url: http://$http_x/200")
	texts("authhost2", "/", "auth-url: http://127.0.0.1:1$uri")
	texts("authset", "/", "auth-url: "+auth.url+"/200", "auth-proxy-set-headers: extra", "auth-request-redirect: $uri")
	texts("signin", "/", "auth-url: "+auth.url+"/401", "auth-signin: https://login.test$uri?x=$arg_h")
	texts("signinhost", "/", "auth-url: "+auth.url+"/401", "auth-signin: $uri")
	texts("back", "/", "proxy-redirect-from: http://inner.test", "proxy-redirect-to: https://outer.test$uri", "proxy-cookie-path: / /x$uri", "proxy-cookie-domain: inner.test x$uri")
	texts("hash", "/ Prefix hash", "upstream-hash-by: $uri$http_x")
	texts("cached", "/", "auth-url: "+auth.url+"/200", "auth-cache-key: $uri")
	texts("perm", "/", "permanent-redirect: https://new.test/$arg_h$uri")
	texts("cookiepath", "/a;Domain=evil.test;/x Prefix hash", "affinity: cookie")
	texts("cookiepath2", "/\r\nX-Evil: y Prefix hash", "affinity: cookie")
	s.add(dataMap("extra", "X-Uri: $uri", "X-Arg: $arg_h"), dataMap("request", "X-Uri: $uri", "X-Q: $query_string"), dataMap("response", "X-Uri-Back: $uri", "X-Agent: $http_x"))
	s.edit("settings", configMap("proxy-set-headers: request", "add-headers: response"))
	s.start()
	for _, host := range []string{"vhost", "vhostarg", "vhosthead", "authurl", "authhost", "authhead", "authhost2", "authset", "signin", "signinhost", "back", "hash", "cached", "perm", "cookiepath", "cookiepath2"} {
		for _, target := range []string{
			"/%0d%0aX-Evil:%20y", "/%0aX-Evil:%20y%0a", "/%20HTTP/1.1%0d%0aX-Evil:%20y", "/%00"[:3] + "1", "/?h=%0d%0aX-Evil:y", "/?h=evil.test/", "/@evil.test/", "/%5c%22%3cscript%3e", "/%ff%fe", "/?h=" + strings.Repeat("x", 4000), "/a%3bDomain=evil.test;/x", "/%0d%0aX-Evil:%20y/z",
		} {
			r := s.get(host+".test", target, "X: evil@test:99 /")
			if r.Header.Get("X-Evil") != "" {
				t.Errorf("%s %q: the client got %v", host, target, r.Header)
			}
			for name, values := range r.Header {
				if strings.ContainsAny(strings.Join(values, ""), "\r\n\x00") {
					t.Errorf("%s %q: the client got %s %q", host, target, name, values)
				}
			}
			if r.Seen != nil && (r.Seen.Header.Get("X-Evil") != "" || strings.ContainsAny(r.Seen.Host, "\r\n\x00")) {
				t.Errorf("%s %q: the backend saw Host %q, %v", host, target, r.Seen.Host, r.Seen.Header)
			}
			if c := r.cookie("INGRESSCOOKIE"); strings.Contains(c, "; Domain=") || strings.Contains(c, ";Domain=") {
				t.Errorf("%s %q: cookie %q", host, target, c)
			}
		}
	}
	auth.mu.Lock()
	defer auth.mu.Unlock()
	for _, q := range auth.seen {
		if q.Header.Get("X-Evil") != "" || strings.ContainsAny(q.RequestURI, "\r\n \x00") {
			t.Errorf("the service saw %q %v", q.RequestURI, q.Header)
		}
	}
}

// settingsInDocs returns the keys that docs/configmap.md lists.
func settingsInDocs(t *testing.T) (keys []string) {
	t.Helper()
	text, err := os.ReadFile("../docs/configmap.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)`").FindAllStringSubmatch(string(text), -1) {
		keys = append(keys, m[1])
	}
	if len(keys) < 100 {
		t.Fatalf("only %d keys in docs/configmap.md", len(keys))
	}
	return keys
}

// TestAttackEverySettingWithEveryPayload writes nonsense into all keys of the ConfigMap at once, one nonsense after the other.
// Nothing may stop the process, and what is good again works again.
func TestAttackEverySettingWithEveryPayload(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "x", host: "x.test", paths: []string{"/"}}.String())
	s.edit("settings", configMap("ssl-redirect: true"))
	s.start()
	keys := settingsInDocs(t)
	for i, value := range payloads {
		var lines []string
		for _, key := range keys {
			if strings.HasSuffix(key, "log-path") && strings.HasPrefix(value, "/") || key == "worker-shutdown-timeout" {
				continue // it would write there, or end late
			}
			lines = append(lines, key+": "+value)
		}
		s.edit("settings", configMap(lines...))
		if i%4 == 0 {
			time.Sleep(60 * time.Millisecond) // some are seen one by one, some are passed over
		}
		r := s.get("x.test", "/")
		if r.Header.Get("X-Evil") != "" || r.Status != 200 && r.Status != 503 && r.Status != 403 && r.Status != 500 {
			t.Errorf("%.40q: %s %v", value, r, r.Header)
		}
	}
	s.edit("settings", configMap("ssl-redirect: true"))
	s.settle("x.test", "/", "a /")
	for line := range strings.SplitSeq(s.gate.Log(), "\n") {
		if strings.Contains(line, "panic") || strings.Contains(line, "internal error") {
			t.Errorf("%.600s", line)
		}
	}
}

// TestAttackNilFields serves beside objects with as little in them as the API allows, and less.
func TestAttackNilFields(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	s.add(ing{name: "good", host: "good.test", paths: []string{"/"}, notes: []string{"custom-headers: none", "auth-type: basic", "auth-secret: users"}}.String(), secret("users", "auth: alice:{PLAIN}secret"), `
---
apiVersion: v1
kind: Service
metadata: {name: bare}
---
apiVersion: v1
kind: Service
metadata: {name: portless}
spec: {ports: [{}]}
---
apiVersion: v1
kind: Service
metadata: {name: odd}
spec: {type: Odd, clusterIP: None, ports: [{port: -1, targetPort: ""}, {port: 80, protocol: SCTP}]}
---
apiVersion: v1
kind: Service
metadata: {name: nameless}
spec: {type: ExternalName}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: bare}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: bare2, labels: {kubernetes.io/service-name: bare}}
endpoints: [{}]
ports: [{}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: a-2, labels: {kubernetes.io/service-name: a}}
addressType: FQDN
endpoints: [{addresses: [x.test]}, {addresses: null, conditions: null}]
ports: [{name: http}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: a-3, labels: {kubernetes.io/service-name: a}}
endpoints: null
ports: null
---
apiVersion: v1
kind: Secret
metadata: {name: bare}
---
apiVersion: v1
kind: Secret
metadata: {name: bare-tls}
type: kubernetes.io/tls
data: {tls.crt: "", tls.key: ""}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: bare}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: binary}
binaryData: {X-A: AAEC}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: bare}
---
apiVersion: v1
kind: Namespace
metadata: {name: bare}
---
apiVersion: v1
kind: Node
metadata: {name: bare}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: nulls, annotations: null, labels: null}
spec:
  ingressClassName: null
  defaultBackend: null
  tls: [{hosts: null, secretName: bare-tls}, {hosts: [""]}, {hosts: ["*"], secretName: bare}]
  rules: [{host: null, http: null}, {host: nulls.test, http: {paths: [{path: null, pathType: null, backend: {service: {name: a, port: {number: 80}}}}]}}]
---
apiVersion: v1
kind: List
items: []
---
apiVersion: v1
kind: List
---
`)
	for _, service := range []string{"bare", "portless", "odd", "nameless", "missing"} {
		s.add(ing{name: "to-" + service, host: service + ".test", paths: []string{"/ Prefix " + service}, notes: []string{"default-backend: " + service, "service-upstream: true"}}.String())
	}
	s.add(ing{name: "maps", host: "maps.test", paths: []string{"/"}, notes: []string{"custom-headers: bare"}}.String(), ing{name: "maps2", host: "maps2.test", paths: []string{"/"}, notes: []string{"custom-headers: binary"}}.String())
	s.start()
	s.want("good.test", "/", "503") // its ConfigMap is missing
	for _, host := range []string{"bare.test", "portless.test", "odd.test", "nameless.test", "missing.test"} {
		s.want(host, "/", "503")
	}
	s.wantAll([]answerCase{{"maps.test", "/", "a /"}, {"nulls.test", "/", "308 https://nulls.test"}})
	if r := s.tls("nulls.test", "/"); r.String() != "a /" {
		t.Errorf("nulls.test: %s", r)
	}
	if r := s.get("maps2.test", "/"); r.Status != 200 && r.Status != 503 {
		t.Errorf("maps2.test: %s", r)
	}
}

// TestAttackCanariesInCircles makes Services each other's canaries, and stand-ins of themselves.
func TestAttackCanariesInCircles(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	s.also("a", "self")
	all := []string{"canary: true", "canary-weight: 100"}
	for _, i := range []ing{
		{name: "one", host: "one.test", paths: []string{"/ Prefix a"}, age: 9}, {name: "two", host: "two.test", paths: []string{"/ Prefix b"}, age: 9},
		{name: "one-canary", host: "one.test", paths: []string{"/ Prefix b"}, notes: all}, {name: "two-canary", host: "two.test", paths: []string{"/ Prefix a"}, notes: all},
		{name: "self", host: "self.test", paths: []string{"/ Prefix self"}, age: 9, notes: []string{"default-backend: self"}}, {name: "self-canary", host: "self.test", paths: []string{"/ Prefix self"}, notes: all},
		{name: "gone", host: "gone.test", paths: []string{"/ Prefix gone"}, notes: []string{"default-backend: gone"}},
	} {
		s.add(i.String())
	}
	s.add(endpoints("gone", 1))
	s.start()
	s.wantAll([]answerCase{{"one.test", "/", "b /"}, {"two.test", "/", "a /"}, {"self.test", "/", "a /"}, {"gone.test", "/", "503"}})
}

// TestAttackNumbers writes numbers at the edges of what fits.
func TestAttackNumbers(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	numbered := []string{"proxy-body-size", "proxy-buffer-size", "proxy-connect-timeout", "proxy-read-timeout", "proxy-send-timeout", "proxy-next-upstream-tries", "proxy-next-upstream-timeout", "limit-rps", "limit-rpm", "limit-connections", "limit-burst-multiplier", "canary-weight", "canary-weight-total", "cors-max-age", "session-cookie-max-age", "session-cookie-expires", "upstream-hash-by-subset-size", "permanent-redirect-code", "temporal-redirect-code", "proxy-ssl-verify-depth", "auth-keepalive"}
	numbers := []string{"0", "-0", "+1", "1.5", "1e3", "0x1f", "00010", " 5 ", "2147483647", "2147483648", "-2147483649", "4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551616", "9999999999999g", "0k", "-1m", "1 m", "٣", "1_000"}
	var hosts []string
	for i, key := range numbered {
		for j, n := range numbers {
			name := "n" + string(rune('a'+i)) + string(rune('a'+j))
			hosts = append(hosts, name+".test")
			s.add(ing{name: name, host: name + ".test", paths: []string{"/"}, notes: []string{key + ": " + n, "limit-rps: 100000", "affinity: cookie", "enable-cors: true"}[:map[bool]int{true: 1, false: 4}[strings.HasPrefix(key, "limit")]]}.String())
		}
	}
	s.start()
	for i, host := range hosts {
		r := s.get(host, "/")
		guard := strings.HasPrefix(numbered[i/len(numbers)], "limit")
		if r.Status != 200 && !(guard && r.Status == 503) {
			t.Errorf("%s: %s answers %s", numbered[i/len(numbers)], numbers[i%len(numbers)], r)
		}
	}
}
