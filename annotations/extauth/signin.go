package extauth

import (
	"net/url"
	"strings"

	"github.com/yettproxy/yett/annotations/remote"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/variable"
)

// signIn is where clients are sent that have to sign in.
type signIn struct {
	// page is the URL, with variables and without fragment, up to where the way back is appended.
	page *variable.Template
	// back says that the way back is appended.
	back     bool
	fragment string
}

// newSignIn compiles auth-signin. The way back is a parameter: behind "?" if the URL has no query, behind "&" if it has one,
// and left out if the query has the parameter already.
func newSignIn(text, param string) (*signIn, error) {
	text, fragment, found := strings.Cut(text, "#")
	if found {
		fragment = "#" + fragment
	}
	s := &signIn{fragment: fragment, back: true}
	_, query, hasQuery := strings.Cut(text, "?")
	values, _ := url.ParseQuery(query) // what cannot be parsed has no parameter
	switch {
	case values.Get(param) != "":
		s.back = false
	case !hasQuery:
		text += "?" + param + "="
	case query == "" || strings.HasSuffix(query, "&"):
		text += param + "="
	default:
		text += "&" + param + "="
	}
	var err error
	s.page, err = variable.Compile(text)
	return s, err
}

// location returns the value of Location, in the exchange's arena. What clients can choose in it cannot break out of the
// field, nor out of the parameter.
func (s *signIn) location(x *filter.Exchange) string {
	page := s.page.Text(x)
	b := remote.AppendEncoded(x.Arena.Begin(), page)
	if s.back {
		b = append(b, x.Scheme...)
		b = append(b, "://"...)
		b = remote.AppendEncoded(b, x.Request.Authority)
		b = variable.AppendURIComponent(b, x.Request.Target)
	}
	return x.Arena.End(append(b, s.fragment...))
}

// isLocation reports whether a text, its variables not yet filled in, is a place to send clients to.
func isLocation(text string) bool {
	if authority, _, ok := remote.SplitTemplate(text); ok {
		return authority != ""
	}
	return strings.HasPrefix(text, "/") || strings.HasPrefix(text, "$scheme://") || strings.HasPrefix(text, "$pass_access_scheme://")
}
