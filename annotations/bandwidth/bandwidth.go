package bandwidth

import "github.com/yettproxy/yett/annotations/feature"

// Family declares limit-rate and limit-rate-after.
var Family = feature.Family{
	Name: "bandwidth",
	Doc:  "How fast a response may be.",
	Keys: []feature.Key{
		{
			Name: "limit-rate", Type: "KB per second", Default: "0", Global: "limit-rate",
			Doc: "The bandwidth of a single response body; 0 for no limit. A client with several requests gets it several times.",
		},
		{
			Name: "limit-rate-after", Type: "KB", Default: "0", Global: "limit-rate-after",
			Doc: "How much of a response limit-rate leaves alone.",
		},
	},
	Apply: func(in *feature.Reader, out *feature.Intent) {
		out.Policy.Rate = int64(in.Int("limit-rate", 0, most)) << 10
		out.Policy.RateAfter = int64(in.Int("limit-rate-after", 0, most)) << 10
	},
}

// most keeps sums of bytes far from overflow; nobody has a terabyte a second.
const most = 1 << 30
