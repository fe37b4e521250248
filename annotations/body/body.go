package body

import "github.com/yettproxy/yett/annotations/feature"

const (
	bodySize   = "proxy-body-size"
	bufferSize = "proxy-buffer-size"
)

// streamed says why buffering keys do nothing.
const streamed = "bodies are always streamed, in memory of a fixed size: nothing is collected and nothing is written to disk"

// The bounds of a response head in bytes: less than the small one cannot hold a head, more than the large one is
// a mistake that would let one upstream fill the memory.
const (
	minHead = 1 << 10
	maxHead = 16 << 20
)

// Family is the sizes of bodies and heads.
var Family = feature.Family{
	Name: "body",
	Doc:  "Sizes of requests and responses, and buffering.",
	Keys: []feature.Key{
		{
			Name: bodySize, Global: bodySize, Type: "size, 0 for no limit", Default: "1m", Risk: feature.Medium,
			Doc: "The longest request body; a longer one gets 413, whether its length was declared or not.",
		},
		{
			Name: bufferSize, Global: bufferSize, Type: "size", Default: "4k",
			Doc:  "The longest response head; a longer one gets 502.",
			Note: "From 1k to 16m.",
		},
		{
			Name: "client-body-buffer-size", Global: "client-body-buffer-size", Type: "size", Default: "8k",
			Doc: "In nginx, how much of a request body is kept in memory.", NoEffect: streamed,
		},
		{
			Name: "proxy-request-buffering", Global: "proxy-request-buffering", Type: "on or off", Default: "on",
			Doc: "In nginx, whether a request body is collected before an endpoint is asked.",
			Note: "Request bodies are always streamed (off). A request whose body has begun to flow is therefore not repeated " +
				"on another endpoint.",
		},
		{
			Name: "proxy-buffering", Global: "proxy-buffering", Type: "on or off", Default: "off",
			Doc: "In nginx, whether responses are collected.", NoEffect: streamed,
		},
		{
			Name: "proxy-buffers-number", Global: "proxy-buffers-number", Type: "number", Default: "4",
			Doc: "In nginx, the number of response buffers.", NoEffect: streamed,
		},
		{
			Name: "proxy-busy-buffers-size", Global: "proxy-busy-buffers-size", Type: "size",
			Doc: "In nginx, how much of them may be waiting for the client.", NoEffect: streamed,
		},
		{
			Name: "proxy-max-temp-file-size", Global: "proxy-max-temp-file-size", Type: "size", Default: "1024m",
			Doc: "In nginx, the largest file that a response may be collected in.", NoEffect: streamed,
		},
	},
	Apply: func(in *feature.Reader, out *feature.Intent) {
		out.Policy.MaxBody = in.Size(bodySize)
		out.Policy.MaxResponseHead = int(in.SizeBetween(bufferSize, minHead, maxHead))
		in.Enum("proxy-request-buffering", "on", "off")
		in.Enum("proxy-buffering", "on", "off")
	},
}
