package timeouts

import "github.com/yettproxy/yett/annotations/feature"

// Family is the time limits towards endpoints. Read and send limit the gap between two reads and two writes, not
// the whole; the read limit also ends WebSockets that are silent.
var Family = feature.Family{
	Name: "timeouts",
	Doc:  "How long the proxy waits for an endpoint.",
	Keys: []feature.Key{
		{
			Name: "proxy-connect-timeout", Global: "proxy-connect-timeout", Type: "seconds", Default: "5",
			Doc:  "The limit for connecting to an endpoint; 504 after all tries.",
			Note: note,
		},
		{
			Name: "proxy-read-timeout", Global: "proxy-read-timeout", Type: "seconds", Default: "60",
			Doc: "The longest gap between two reads from the endpoint: 504 if there is no header yet, else the response is cut. " +
				"It also closes idle WebSockets.",
			Note: note,
		},
		{
			Name: "proxy-send-timeout", Global: "proxy-send-timeout", Type: "seconds", Default: "60",
			Doc:  "The longest gap between two writes to the endpoint.",
			Note: note,
		},
	},
	Apply: func(in *feature.Reader, out *feature.Intent) {
		out.Policy.Connect = in.PositiveSeconds("proxy-connect-timeout")
		out.Policy.Read = in.PositiveSeconds("proxy-read-timeout")
		out.Policy.Send = in.PositiveSeconds("proxy-send-timeout")
	},
}

const note = "A trailing s is allowed. 0, which makes nginx time out at once, is refused."
