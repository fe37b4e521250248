package basicauth

import (
	"encoding/base64"
	"strings"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/wire"
)

// maxPasswordBytes is the longest password that is looked at. SHA-crypt takes a time that grows with the
// square of it.
const maxPasswordBytes = 1024

// maxToken is the longest base 64 text that is decoded.
const maxToken = (maxUserBytes + 1 + maxPasswordBytes + 2) / 3 * 4

// credentials reads the user and the password that a request carries (RFC 7617). They are valid as long as
// the exchange. Several Authorization fields are none: whoever checks another one than we do could be fooled.
func credentials(x *filter.Exchange) (user, password string, ok bool) {
	var value string
	for i := range x.Request.Fields.Len() {
		f := x.Request.Fields.At(i)
		if f.ID != wire.Authorization {
			continue
		}
		if ok {
			return "", "", false
		}
		value, ok = f.Value, true
	}
	const scheme = "basic "
	if len(value) <= len(scheme) || !wire.EqualFold(value[:len(scheme)], scheme) {
		return "", "", false
	}
	return decode(x, strings.TrimLeft(value[len(scheme):], " "))
}

// decode reads the base 64 text behind "Basic". Padding may be missing, as for nginx; everything else is strict, so
// that a password has one spelling.
func decode(x *filter.Exchange, token string) (user, password string, ok bool) {
	if len(token) > maxToken {
		return "", "", false
	}
	if len(token)%4 == 0 {
		token = strings.TrimSuffix(strings.TrimSuffix(token, "="), "=")
	}
	if strings.ContainsAny(token, "\r\n") {
		return "", "", false // the decoder would skip them
	}
	b, err := base64.RawStdEncoding.Strict().AppendDecode(x.Arena.Begin(), wire.Bytes(token))
	if err != nil {
		return "", "", false
	}
	user, password, ok = strings.Cut(x.Arena.End(b), ":")
	if !ok || user == "" || len(user) > maxUserBytes || len(password) > maxPasswordBytes ||
		hasControl(user) || strings.IndexByte(password, 0) >= 0 {
		return "", "", false
	}
	return user, password, true
}
