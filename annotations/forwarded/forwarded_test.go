package forwarded

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/ir"
)

func TestTheDefaultsAreThoseOfTheDataPlane(t *testing.T) {
	got, out := featuretest.Configure(&Family, featuretest.Input{})
	if want := ir.DefaultSettings().Trust; fmt.Sprint(got.Trust) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", got.Trust, want)
	}
	if len(out.Problems) > 0 {
		t.Errorf("problems %v", out.Problems)
	}
}

func TestAllKeysAreRead(t *testing.T) {
	got, out := featuretest.Configure(&Family, featuretest.Input{ConfigMap: map[string]string{
		"use-forwarded-headers": "true", "enable-real-ip": "true", "compute-full-forwarded-for": "true",
		"forwarded-for-header": "CF-Connecting-IP", "proxy-real-ip-cidr": "10.0.0.0/8, 192.0.2.7",
		"generate-request-id": "false", "proxy-add-original-uri-header": "true", "use-proxy-protocol": "true",
		"proxy-protocol-header-timeout": "2s", "forwarded-for-proxy-protocol-header": "X-Client",
	}})
	want := ir.TrustSettings{
		UseForwardedHeaders: true, RealIP: true, ComputeFull: true, ForwardedForHeader: "CF-Connecting-IP",
		Proxies:     []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32")},
		OriginalURI: true, ProxyProtocol: true, ProxyTimeout: 2 * time.Second, ProxyHeader: "X-Client",
	}
	if fmt.Sprint(got.Trust) != fmt.Sprint(want) {
		t.Errorf("%+v, want %+v", got.Trust, want)
	}
	if len(out.Problems) > 0 {
		t.Errorf("problems %v", out.Problems)
	}
}

func TestNobodyIsTrustedByABadList(t *testing.T) {
	got, out := featuretest.Configure(&Family, featuretest.Input{ConfigMap: map[string]string{"proxy-real-ip-cidr": "10.0.0.0/8,lan"}})
	if len(got.Trust.Proxies) != 0 {
		t.Errorf("trusts %v", got.Trust.Proxies)
	}
	if !slices.Equal(out.Refused, []string{"proxy-real-ip-cidr"}) {
		t.Errorf("refused %v", out.Refused)
	}
}

func TestAFieldNameMustBeOne(t *testing.T) {
	got, out := featuretest.Configure(&Family, featuretest.Input{ConfigMap: map[string]string{"forwarded-for-header": "X Real: IP"}})
	if got.Trust.ForwardedForHeader != "X-Forwarded-For" || !slices.Equal(out.Refused, []string{"forwarded-for-header"}) {
		t.Errorf("%q, refused %v", got.Trust.ForwardedForHeader, out.Refused)
	}
}
