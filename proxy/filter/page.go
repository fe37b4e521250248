package filter

import (
	"net/http"
	"strconv"
)

// reasons that nginx spells otherwise than net/http, or that net/http does not know.
var reasons = map[int]string{
	302: "Found", 308: "Permanent Redirect", 401: "Authorization Required", 405: "Not Allowed",
	408: "Request Time-out", 416: "Requested Range Not Satisfiable", 413: "Request Entity Too Large", 414: "Request-URI Too Large",
	494: "Request Header Or Cookie Too Large", 503: "Service Temporarily Unavailable", 504: "Gateway Time-out",
}

// pages holds nginx's page for every status that has a name.
var pages = func() map[int]string {
	m := make(map[int]string)
	for status := 300; status < 600; status++ {
		reason := reasons[status]
		if reason == "" {
			reason = http.StatusText(status)
		}
		if reason == "" {
			continue
		}
		title := strconv.Itoa(status) + " " + reason
		m[status] = "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
			"</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
	}
	return m
}()

// pageFor returns the page for a status, or "" for one that has none.
func pageFor(status int) string { return pages[status] }
