package clientauth

import (
	"slices"
	"strings"
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/certtest"
	"github.com/yettproxy/yett/proxy/ir"
)

func TestWhatIsAskedOfClients(t *testing.T) {
	ca := certtest.New(t, "Root").PEM()
	objects := featuretest.Objects{Secrets: map[string]map[string][]byte{
		featuretest.Namespace + "/ca": {"ca.crt": []byte(ca)}, "other/ca": {"ca.crt": []byte(ca)}, featuretest.Namespace + "/none": {},
		featuretest.Namespace + "/garbage": {"ca.crt": []byte("x")}, featuretest.Namespace + "/badlist": {"ca.crt": []byte(ca), "ca.crl": []byte("x")},
	}}
	on := ir.ClientAuth{Mode: ir.VerifyOn, CA: ca, Depth: 1}
	with := func(change func(*ir.ClientAuth)) ir.ClientAuth { c := on; change(&c); return c }
	const name = featuretest.Namespace + "/ca"
	for sentence, tt := range map[string]struct {
		annotations map[string]string
		want        ir.ClientAuth
		refused     string
		closed      bool
	}{
		"nothing is asked without a Secret":           {map[string]string{verify: "on", matchCN: "CN=x"}, ir.ClientAuth{}, "", false},
		"an empty Secret counts as none, as in nginx": {map[string]string{secret: " "}, ir.ClientAuth{}, "", false},
		"a Secret asks for certificates":              {map[string]string{secret: name}, on, "", false},
		"the namespace may be left out":               {map[string]string{secret: "ca"}, on, "", false},
		"optional":                                    {map[string]string{secret: name, verify: "optional"}, with(func(c *ir.ClientAuth) { c.Mode = ir.VerifyOptional }), "", false},
		"optional without CA":                         {map[string]string{secret: name, verify: "optional_no_ca"}, with(func(c *ir.ClientAuth) { c.Mode = ir.VerifyOptionalNoCA }), "", false},
		"off":                                         {map[string]string{secret: name, verify: "off"}, with(func(c *ir.ClientAuth) { c.Mode = ir.VerifyOff }), "", false},
		"a misspelled check is on":                    {map[string]string{secret: name, verify: "offf"}, on, verify, false},
		"a depth":                                     {map[string]string{secret: name, depth: "3"}, with(func(c *ir.ClientAuth) { c.Depth = 3 }), "", false},
		"depth 0 is 1, as in ingress-nginx":           {map[string]string{secret: name, depth: "0"}, on, "", false},
		"a bad depth is 1":                            {map[string]string{secret: name, depth: "deep"}, on, depth, false},
		"passed on":                                   {map[string]string{secret: name, pass: "true"}, with(func(c *ir.ClientAuth) { c.PassCertificate = true }), "", false},
		"a name":                                      {map[string]string{secret: name, matchCN: "CN=(a|b)$"}, with(func(c *ir.ClientAuth) { c.MatchCN = "CN=(a|b)$" }), "", false},
		"a name that is no CN closes":                 {map[string]string{secret: name, matchCN: "O=a"}, ir.ClientAuth{}, matchCN, true},
		"a name that is no expression closes":         {map[string]string{secret: name, matchCN: "CN=("}, ir.ClientAuth{}, matchCN, true},
		"a name without end closes":                   {map[string]string{secret: name, matchCN: "CN=" + strings.Repeat("a", 1024)}, ir.ClientAuth{}, matchCN, true},
		"an error page":                               {map[string]string{secret: name, errorPage: "http://e.test/$host"}, with(func(c *ir.ClientAuth) { c.ErrorPage = "http://e.test/$host" }), "", false},
		"an error page in place is answered with 400": {map[string]string{secret: name, errorPage: "/error.html"}, on, errorPage, false},
		"a named location too":                        {map[string]string{secret: name, errorPage: "@error"}, on, errorPage, false},
		"an error page with a line break":             {map[string]string{secret: name, errorPage: "http://e.test/\r\nX: y"}, on, errorPage, false},
		"no Secret of that name closes":               {map[string]string{secret: "nobody"}, ir.ClientAuth{}, secret, true},
		"also where nothing is asked, as in nginx":    {map[string]string{secret: "nobody", verify: "off"}, ir.ClientAuth{}, secret, true},
		"the Secret of another namespace closes":      {map[string]string{secret: "other/ca"}, ir.ClientAuth{}, secret, true},
		"a Secret without CA closes":                  {map[string]string{secret: "none"}, ir.ClientAuth{}, secret, true},
		"a Secret with garbage closes":                {map[string]string{secret: "garbage"}, ir.ClientAuth{}, secret, true},
		"a spoilt revocation list closes":             {map[string]string{secret: "badlist"}, ir.ClientAuth{}, secret, true},
		"a path is no Secret":                         {map[string]string{secret: "../ca/x"}, ir.ClientAuth{}, secret, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations, Objects: objects})
			if out.Host.ClientAuth != tt.want {
				t.Errorf("asks %v, want %v", out.Host.ClientAuth, tt.want)
			}
			if closed := out.Host.Deny == 403 && out.Deny == 403; closed != tt.closed || out.Denied != tt.closed {
				t.Errorf("host %d, paths %d, denied %v", out.Host.Deny, out.Deny, out.Denied)
			}
			if got := slices.Concat(out.Refused); tt.refused == "" && len(got) > 0 || tt.refused != "" && !slices.Equal(got, []string{tt.refused}) {
				t.Errorf("refused %q, want %q", got, tt.refused)
			}
		})
	}
}
