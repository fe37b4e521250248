package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestCompatClasses is nginx-compat section 4.3.
func TestCompatClasses(t *testing.T) {
	classes := `---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: second}
spec: {controller: k8s.io/ingress-nginx}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: traefik}
spec: {controller: traefik.io/ingress-controller}
`
	ingresses := func(s *stage) {
		s.echo("a")
		old := func(class string) string { return " annotations: {kubernetes.io/ingress.class: " + class + "}\n" }
		for _, i := range []ing{
			{name: "field", class: "nginx"}, {name: "second", class: "second"}, {name: "traefik", class: "traefik"}, {name: "nobody", class: "nobody"}, {name: "none", class: "-"},
			{name: "note", class: "-", more: old("nginx")}, {name: "othernote", class: "-", more: old("traefik")}, {name: "both", class: "nginx", more: old("traefik")}, {name: "bothother", class: "traefik", more: old("nginx")},
		} {
			i.host, i.paths = i.name+".test", []string{"/"}
			s.add(i.String())
		}
		s.add(classes)
	}
	for _, c := range []struct {
		flags  []string
		served string
	}{
		{nil, "field second none note both"},
		{[]string{"--watch-ingress-without-class=false"}, "field second note both"},
		{[]string{"--controller-class=traefik.io/ingress-controller", "--ingress-class=traefik", "--watch-ingress-without-class=false"}, "traefik othernote bothother"},
		{[]string{"--controller-class=x.io/y", "--ingress-class=second", "--ingress-class-by-name", "--watch-ingress-without-class=false"}, "second"},
	} {
		t.Run(strings.Join(c.flags, " "), func(t *testing.T) {
			s := newStage(t)
			ingresses(s)
			s.start(c.flags...)
			for _, name := range []string{"field", "second", "traefik", "nobody", "none", "note", "othernote", "both", "bothother"} {
				want := "404"
				if strings.Contains(" "+c.served+" ", " "+name+" ") {
					want = "a /"
				}
				s.want(name+".test", "/", want)
			}
		})
	}
}

// TestCompatUnknownAndUnsupported reports what it does not do, by name, and guards what must not be open.
func TestCompatUnknownAndUnsupported(t *testing.T) {
	s := newStage(t)
	s.echo("a", "b")
	cases := []struct{ name, note, want, reported string }{
		{"typo", "rewrite-traget: /", "a /", "rewrite-target"},
		{"unknown", "frobnicate: yes", "a /", "frobnicate"},
		{"retired", "secure-backends: true", "a /", "backend-protocol"},
		{"mtls", "auth-tls-secret: default/ca", "403", "auth-tls-secret"},
		{"mtlsoff", "auth-tls-verify-client: off", "a /", ""},
		{"authsnippet", "auth-snippet: deny all;", "503", "auth-snippet"},
		{"snippet", "configuration-snippet: more_set_headers X;", "a /", "configuration-snippet"},
		{"serversnippet", "server-snippet: location / { deny all; }", "a /", "server-snippet"},
		{"fcgi", "backend-protocol: FCGI", "503", "backend-protocol"},
		{"waf", "enable-modsecurity: true", "a /", "enable-modsecurity"},
		{"errors", "custom-http-errors: 404,503", "a /", ""},
		{"mirror", "mirror-target: http://127.0.0.1:1/", "a /", "mirror-target"},
		{"passthrough", "ssl-passthrough: true", "a /", "ssl-passthrough"},
		{"badbool", "enable-cors: maybe", "a /", "enable-cors"},
		{"badsize", "proxy-body-size: lots", "a /", "proxy-body-size"},
		{"badbalance", "load-balance: magic", "a /", "load-balance"},
		{"badwww", "from-to-www-redirect: perhaps", "a /", "from-to-www-redirect"},
	}
	for _, c := range cases {
		s.add(ing{name: c.name, host: c.name + ".test", paths: []string{"/"}, notes: []string{c.note}, age: 1}.String())
	}
	s.add(ing{name: "waf2", host: "waf2.test", paths: []string{"/"}, notes: []string{"enable-modsecurity: true", "modsecurity-snippet: SecRuleEngine On"}}.String(),
		ing{name: "mtls2", host: "mtls.test", paths: []string{"/second Prefix b"}}.String(),
		ing{name: "older", host: "both.test", paths: []string{"/"}, age: 9}.String(),
		ing{name: "younger", host: "both.test", paths: []string{"/b"}, notes: []string{"auth-tls-secret: default/ca"}}.String(),
		ing{name: "risky", host: "risky.test", paths: []string{"/"}, notes: []string{"server-alias: risky2.test"}}.String())
	s.edit("settings", configMap("frobnicate: yes", "proxy-body-sise: 2m", "worker-processes: 4", "custom-http-errors: 404", "annotations-risk-level: Medium"))
	s.start("--sync-period=1h")
	for _, c := range cases {
		s.want(c.name+".test", "/", c.want)
		if c.reported != "" {
			s.logged("default/"+c.name+`"`, c.reported)
		}
	}
	s.want("waf2.test", "/", "503")
	s.want("mtls.test", "/second", "403")
	s.want("both.test", "/", "403")
	s.want("risky.test", "/", "a /")
	s.want("risky2.test", "/", "404")
	s.logged("frobnicate")
	s.logged("proxy-body-sise", "proxy-body-size")
	s.logged("--sync-period")
}

// TestCompatOneBadIngressHarmsNoOther puts nonsense beside good rules.
func TestCompatOneBadIngressHarmsNoOther(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	head := "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: %s}\n"
	for i, spec := range []string{
		"", "spec: {}\n", "spec: {rules: [{}]}\n", "spec: {rules: [{host: only.test}]}\n", "spec: {rules: [{http: {paths: []}}]}\n", "spec: {rules: [{host: nopath.test, http: {paths: [{}]}}]}\n",
		"spec: {rules: [{host: nobackend.test, http: {paths: [{path: /, pathType: Prefix, backend: {}}]}}]}\n",
		"spec: {rules: [{host: noname.test, http: {paths: [{path: /, backend: {service: {port: {number: 80}}}}]}}]}\n",
		"spec: {rules: [{host: noport.test, http: {paths: [{path: /, backend: {service: {name: a}}}]}}]}\n",
		"spec: {rules: [{host: portname.test, http: {paths: [{path: /, backend: {service: {name: a, port: {name: http}}}}]}}]}\n",
		"spec: {rules: [{host: badport.test, http: {paths: [{path: /, backend: {service: {name: a, port: {name: nope}}}}]}}]}\n",
		"spec: {rules: [{host: bigport.test, http: {paths: [{path: /, backend: {service: {name: a, port: {number: 99999}}}}]}}]}\n",
		"spec: {rules: [{host: resource.test, http: {paths: [{path: /, backend: {resource: {kind: Bucket, name: x}}}]}}]}\n",
		"spec: {rules: [{host: 'sp ace.test', http: {paths: [{path: /, backend: {service: {name: a, port: {number: 80}}}}]}}]}\n",
		"spec: {rules: [{host: '*', http: {paths: [{path: /, backend: {service: {name: a, port: {number: 80}}}}]}}]}\n",
		"spec: {rules: [{host: '*.*.test', http: {paths: [{path: /, backend: {service: {name: a, port: {number: 80}}}}]}}]}\n",
		"spec: {rules: [{host: 'x.test/../y', http: {paths: [{path: /, backend: {service: {name: a, port: {number: 80}}}}]}}]}\n",
		"spec: {rules: [{host: relative.test, http: {paths: [{path: foo, backend: {service: {name: a, port: {number: 80}}}}]}}]}\n",
		"spec: {rules: [{host: oddtype.test, http: {paths: [{path: /, pathType: Suffix, backend: {service: {name: a, port: {number: 80}}}}]}}]}\n",
		"spec: {rules: [{host: dots.test, http: {paths: [{path: /../x, pathType: Prefix, backend: {service: {name: a, port: {number: 80}}}}]}}]}\n",
		"spec: {tls: [{}], rules: [{host: emptytls.test, http: {paths: [{path: /, backend: {service: {name: a, port: {number: 80}}}}]}}]}\n",
		"spec: {defaultBackend: {}}\n", "spec: {ingressClassName: ''}\n",
	} {
		s.add(fmt.Sprintf(head, fmt.Sprintf("bad%d", i)) + spec)
	}
	s.add(ing{name: "good", host: "good.test", paths: []string{"/"}}.String())
	s.edit("broken", "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: broken}\nspec: {rules: [}\n")
	s.edit("future", "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: future}\nspec: {novelty: 1, rules: [{host: future.test, http: {paths: [{path: /, backend: {service: {name: a, port: {number: 80}}}}]}}]}\n---\nkind: Widget\napiVersion: x/v1\nmetadata: {name: w}\n")
	s.start()
	s.wantAll([]answerCase{
		{"good.test", "/", "a /"}, {"future.test", "/", "a /"}, {"only.test", "/", "404"}, {"nopath.test", "/", "503"}, {"nobackend.test", "/", "503"}, {"noname.test", "/", "503"}, {"noport.test", "/", "503"},
		{"portname.test", "/", "a /"}, {"badport.test", "/", "503"}, {"bigport.test", "/", "503"}, {"resource.test", "/", "404"}, {"relative.test", "/foo", "404"}, {"oddtype.test", "/", "a /"}, {"dots.test", "/x", "404"}, {"emptytls.test", "/", "308 https://emptytls.test"},
	})
	s.logged("broken.yaml:")
	s.logged("future.yaml:", "novelty")
	s.logged("default/bad5", "path")
}

// TestCompatServices finds the port of a Service by number and by name, and asks ExternalName Services.
func TestCompatServices(t *testing.T) {
	s := newStage(t)
	s.echo("a")
	port := s.ports["a"]
	s.add(fmt.Sprintf(`---
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {type: ExternalName, externalName: localhost, ports: [{name: http, port: 80, targetPort: %[1]d}]}
---
apiVersion: v1
kind: Service
metadata: {name: nowhere}
spec: {type: ExternalName, externalName: does-not-exist.invalid, ports: [{port: 80, targetPort: %[1]d}]}
---
apiVersion: v1
kind: Service
metadata: {name: portless}
spec: {type: ExternalName, externalName: localhost}
---
apiVersion: v1
kind: Service
metadata: {name: several}
spec: {ports: [{name: one, port: 81, targetPort: app}, {name: two, port: 82, targetPort: 9}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: several-1, labels: {kubernetes.io/service-name: several}}
ports: [{name: one, port: %[1]d}, {name: two, port: 1}]
endpoints:
- {addresses: [127.0.0.1], conditions: {ready: true}}
- {addresses: [127.0.0.1], conditions: {ready: true}}
- {addresses: [127.0.0.7], conditions: {ready: false}}
- {addresses: [127.0.0.6], conditions: {ready: false, serving: true, terminating: true}}
`, port))
	rule := func(name, service, port string) {
		s.add(fmt.Sprintf("---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: %[1]s}\nspec: {ingressClassName: nginx, rules: [{host: %[1]s.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %[2]s, port: {%[3]s}}}}]}}]}\n", name, service, port))
	}
	rule("outside", "outside", "number: 80")
	rule("nowhere", "nowhere", "number: 80")
	rule("portless", "portless", fmt.Sprintf("number: %d", port))
	rule("number", "several", "number: 81")
	rule("named", "several", "name: one")
	rule("target", "several", "name: app")
	rule("closed", "several", "number: 82")
	s.start()
	s.settle("outside.test", "/", "a /")
	s.settle("portless.test", "/", "a /")
	for range 6 {
		s.want("number.test", "/", "a /")
	}
	s.wantAll([]answerCase{{"named.test", "/", "a /"}, {"closed.test", "/", "502"}, {"nowhere.test", "/", "503"}})
	if got := s.get("target.test", "/").String(); got != "a /" && got != "503" {
		t.Errorf("by the name of the target port: %s", got)
	}
}
