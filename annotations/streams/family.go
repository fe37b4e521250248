package streams

import (
	"strings"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/stream"
)

const (
	logFormat = "log-format-stream"
	logPath   = "stream-access-log-path"
)

// maxTries is how many endpoints a connection remembers as tried.
const maxTries = 8

// Family declares how connections and datagrams are handed to Services.
var Family = feature.Family{
	Name: "streams",
	Doc:  "TCP and UDP services: ports that are handed to Services as they are.",
	Settings: []feature.Key{
		{
			Name: "proxy-stream-timeout", Type: "time", Default: "600s",
			Doc: "How long a connection, or an exchange of datagrams, may be silent. It also holds for connections of ssl-passthrough.",
		},
		{
			Name: "proxy-stream-next-upstream", Type: "bool", Default: "true",
			Doc:  "Tries another endpoint when one cannot be reached.",
			Note: "An endpoint has proxy-connect-timeout (5 s) to be reached; ingress-nginx waits for 60 s.",
		},
		{
			Name: "proxy-stream-next-upstream-timeout", Type: "time", Default: "600s",
			Doc: "The limit for all tries together; 0 for none.",
		},
		{
			Name: "proxy-stream-next-upstream-tries", Type: "number", Default: "3",
			Doc:  "The number of tries, the first included; 0 for as many as there are endpoints.",
			Note: "8 is the most.",
		},
		{
			Name: "proxy-stream-responses", Type: "number", Default: "1",
			Doc:  "How many datagrams answer one of a client; then the exchange is over. With 0 no answer is passed back.",
			Note: "1 to 65535 answers, or none; an exchange without end is one that proxy-stream-timeout ends.",
		},
		{
			Name: logFormat, Type: "text with variables",
			Doc:  "The line that is written when a connection or an exchange of datagrams is over; without it ingress-nginx's own.",
			Note: "A format with a variable that does not exist here is reported, and the last format that could be read stays.",
		},
		{
			Name: logPath, Type: "file",
			Doc: "The file that these lines are appended to; without it that of access-log-path.",
		},
		{
			Name: "access-log-path", Type: "file", Default: imageLog,
			Doc:  "The file that the access log is appended to.",
			Note: imageLog + " means standard output, where ingress-nginx's image links it to.",
		},
		{
			Name: "disable-stream-access-log", Type: "bool", Default: "false",
			Doc: "Writes no such lines.",
		},
		{
			Name: "disable-access-log", Type: "bool", Default: "false",
			Doc: "Writes no access log at all.",
		},
	},
	Configure: configure,
}

// imageLog is the path that ingress-nginx's image links to standard output.
const imageLog = "/var/log/nginx/access.log"

// configure reads the settings.
func configure(in *feature.Reader, out *ir.Settings) {
	s := &out.Stream
	if d := in.Duration("proxy-stream-timeout"); d > 0 {
		s.Idle = d
	} else {
		in.Refuse("proxy-stream-timeout", "0 would end every connection at once: write such as 600s")
	}
	s.Retry = in.Bool("proxy-stream-next-upstream")
	s.RetryTimeout = in.Duration("proxy-stream-next-upstream-timeout")
	s.RetryTries = in.Int("proxy-stream-next-upstream-tries", 0, maxTries)
	s.Responses = in.Int("proxy-stream-responses", 0, 65535)
	off, offStream := in.Bool("disable-access-log"), in.Bool("disable-stream-access-log")
	s.LogDisabled = off || offStream
	s.LogFormat = in.String(logFormat)
	if err := stream.CheckLogFormat(s.LogFormat); err != nil {
		in.Refuse(logFormat, "%v", err) // the proxy goes on with the last one
	}
	name := logPath
	if !in.Has(name) {
		name = "access-log-path"
	}
	if path := in.Matching(name, isPath, "an absolute path"); path != imageLog && path != "/dev/stdout" && path != "/proc/self/fd/1" {
		s.LogPath = path
	}
}

// isPath reports whether text is nothing, or an absolute path.
func isPath(text string) bool {
	return text == "" || text[0] == '/' && !strings.ContainsAny(text, "\n\x00")
}
