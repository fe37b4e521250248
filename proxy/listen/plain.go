package listen

import (
	"io"
	"net"
	"strconv"
	"time"
)

// plainPage is nginx's page for its status 497.
const plainPage = "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n<body>\r\n" +
	"<center><h1>400 Bad Request</h1></center>\r\n<center>The plain HTTP request was sent to HTTPS port</center>\r\n" +
	"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"

const (
	// plainTimeout is how long the answer to a request without TLS may take, and
	plainTimeout = time.Second
	// plainRest how much of the request is read off before the end, in bytes: closing earlier would make
	// the kernel send a reset, which takes the answer away from the client.
	plainRest = 64 << 10
)

// isMethod reports whether what should be a TLS record begins like an HTTP request.
func isMethod(c byte) bool { return c >= 'A' && c <= 'Z' }

// answerPlain answers a request that came without TLS to the https port. The caller closes the connection.
func answerPlain(conn net.Conn) {
	now := time.Now()
	if conn.SetDeadline(now.Add(plainTimeout)) != nil {
		return
	}
	head := "HTTP/1.1 400 Bad Request\r\nDate: " + now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT") +
		"\r\nContent-Type: text/html\r\nContent-Length: " + strconv.Itoa(len(plainPage)) + "\r\nConnection: close\r\n\r\n"
	if _, err := io.WriteString(conn, head+plainPage); err != nil {
		return
	}
	if half, ok := conn.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	// An error ends it as well as the end of the request does.
	_, _ = io.CopyN(io.Discard, conn, plainRest)
}
