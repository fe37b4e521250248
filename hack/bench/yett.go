package main

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// startYett starts Yett as shipped: metrics on, all checks on. Only the access log is off where the peers' is.
func startYett(b *bench, binary string, s setup, dir string) (*running, error) {
	plain, secure, err := b.addresses()
	if err != nil {
		return nil, err
	}
	manifests := filepath.Join(dir, "manifests.yaml")
	text, err := yettManifests(b, s)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(manifests, []byte(text), 0o600); err != nil {
		return nil, err
	}
	_, httpPort, _ := net.SplitHostPort(plain)
	_, httpsPort, _ := net.SplitHostPort(secure)
	out, err := os.Create(filepath.Join(dir, "access.log"))
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p, err := spawn(b.core(s), out, []string{maxProcs(s.workers())}, binary, "serve", "--manifests", manifests, "--bind-address", "127.0.0.1",
		"--http-port", httpPort, "--https-port", httpsPort, "--healthz-host", "127.0.0.1", "--healthz-port", "0", "--profiler-port", b.profiler)
	return b.started(p, err, plain, secure)
}

// yettManifests composes the manifests of a setup.
func yettManifests(b *bench, s setup) (string, error) {
	certificate, err := os.ReadFile(b.certificate)
	if err != nil {
		return "", err
	}
	key, err := os.ReadFile(b.key)
	if err != nil {
		return "", err
	}
	users, err := os.ReadFile(b.htpasswd)
	if err != nil {
		return "", err
	}
	encode := base64.StdEncoding.EncodeToString
	var out strings.Builder
	fmt.Fprintf(&out, `apiVersion: v1
kind: ConfigMap
metadata: {name: ingress-nginx-controller, namespace: default}
data: {disable-access-log: %q, ssl-redirect: "false", keep-alive-requests: "100000000", upstream-keepalive-requests: "100000000", proxy-body-size: "0"}
---
apiVersion: v1
kind: Secret
metadata: {name: bench-tls}
type: kubernetes.io/tls
data: {tls.crt: %s, tls.key: %s}
---
apiVersion: v1
kind: Secret
metadata: {name: bench-users}
data: {auth: %s}
`, fmt.Sprint(!s.Log), encode(certificate), encode(key), encode(users))
	backend := b.backend
	if s.GRPC {
		backend = b.grpc
	}
	_, port, _ := net.SplitHostPort(backend)
	for _, name := range []string{"bench", "canary"} {
		fmt.Fprintf(&out, `---
apiVersion: v1
kind: Service
metadata: {name: %[1]s}
spec: {ports: [{name: http, port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s-1, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{name: http, port: %[2]s}]
endpoints: [{addresses: [127.0.0.1]}]
`, name, port)
	}
	filters := ""
	if s.GRPC {
		filters = "\n    nginx.ingress.kubernetes.io/backend-protocol: GRPC"
	}
	if s.Filters {
		filters = `
    nginx.ingress.kubernetes.io/auth-type: basic
    nginx.ingress.kubernetes.io/auth-secret: bench-users
    nginx.ingress.kubernetes.io/limit-rps: "100000"
    nginx.ingress.kubernetes.io/whitelist-source-range: "127.0.0.0/8,10.0.0.0/8"`
		out.WriteString(yettIngress("canary", host, "canary", "\n    nginx.ingress.kubernetes.io/canary: \"true\"\n    nginx.ingress.kubernetes.io/canary-weight: \"20\""))
	}
	out.WriteString(yettIngress("bench", host, "bench", filters))
	if s.Routes {
		for i := range routes - 1 {
			alias := ""
			if i == 0 {
				alias = "\n    nginx.ingress.kubernetes.io/server-alias: '~" + regexHost + "'"
			}
			out.WriteString(yettIngress(fmt.Sprintf("route-%d", i), routeHost(i), "bench", alias))
		}
	}
	return out.String(), nil
}

// yettIngress composes an Ingress.
func yettIngress(name, host, service, annotations string) string {
	if annotations == "" {
		annotations = " {}"
	}
	return fmt.Sprintf(`---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: %s
  annotations:%s
spec:
  ingressClassName: nginx
  tls: [{hosts: [%s], secretName: bench-tls}]
  rules:
  - host: %[3]s
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %s, port: {number: 80}}}}]}
`, name, annotations, host, service)
}
