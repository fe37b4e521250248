package loadbalance

import (
	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/upstream"
	"github.com/yettproxy/yett/proxy/variable"
)

// Family declares the balancing of requests over endpoints.
var Family = feature.Family{
	Name: "loadbalance",
	Doc:  "Chooses among the endpoints of a Service.",
	Keys: []feature.Key{
		{
			Name: "load-balance", Type: "round_robin, ewma or least_request", Default: "round_robin", Global: "load-balance",
			Doc: "round_robin takes endpoints in turn; ewma the one of two that answered faster of late; least_request the one of two that " +
				"has fewer requests under way.",
			Note: "least_request, as in Istio, is not known there.",
		},
		{
			Name: "upstream-hash-by", Type: "text with variables", Risk: feature.High,
			Doc: "Sends requests for which this text is the same to the same endpoint, by a consistent hash. It goes before load-balance.",
		},
		{
			Name: "upstream-hash-by-subset", Type: "bool", Default: "false",
			Doc: "Lets the hash choose a group of endpoints, in which chance chooses.",
		},
		{
			Name: "upstream-hash-by-subset-size", Type: "number", Default: "3",
			Doc: "How many endpoints such a group has.",
		},
	},
	Apply: apply,
}

// maxSubset bounds the size of groups.
const maxSubset = 1 << 16

// apply reads how endpoints are chosen.
func apply(in *feature.Reader, out *feature.Intent) {
	b := &out.Balance
	switch in.Enum("load-balance", "round_robin", "ewma", "least_request") {
	case "ewma":
		b.Algorithm = upstream.EWMA
	case "least_request":
		b.Algorithm = upstream.LeastRequests
	}
	subset, size := in.Bool("upstream-hash-by-subset"), in.Int("upstream-hash-by-subset-size", 1, maxSubset)
	by := in.Matching("upstream-hash-by", feature.IsVariable, "only letters, digits and - _ $ { }")
	if by == "" {
		return
	}
	if _, err := variable.Compile(by); err != nil {
		in.Refuse("upstream-hash-by", "%v", err)
		return
	}
	b.Algorithm, b.HashBy = upstream.Hash, by
	if subset {
		b.SubsetSize = size
	}
}
