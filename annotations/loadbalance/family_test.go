package loadbalance

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

func TestApply(t *testing.T) {
	type kv = map[string]string
	tests := map[string]struct {
		annotations, configMap kv
		want                   ir.Balance
		refused                []string
	}{
		"no key at all":              {nil, nil, ir.Balance{}, nil},
		"ewma":                       {kv{"load-balance": "ewma"}, nil, ir.Balance{Algorithm: upstream.EWMA}, nil},
		"ewma by the ConfigMap":      {nil, kv{"load-balance": "ewma"}, ir.Balance{Algorithm: upstream.EWMA}, nil},
		"the Ingress wins":           {kv{"load-balance": "round_robin"}, kv{"load-balance": "ewma"}, ir.Balance{}, nil},
		"our prefix wins":            {kv{"load-balance": "ewma", feature.YettPrefix + "load-balance": "round_robin"}, nil, ir.Balance{}, nil},
		"an algorithm of old":        {kv{"load-balance": "ip_hash"}, nil, ir.Balance{}, []string{"load-balance"}},
		"a bad one in the ConfigMap": {nil, kv{"load-balance": "least_conn"}, ir.Balance{}, []string{"load-balance"}},
		"a hash":                     {kv{"upstream-hash-by": "$request_uri"}, nil, ir.Balance{Algorithm: upstream.Hash, HashBy: "$request_uri"}, nil},
		"a hash of two variables":    {kv{"upstream-hash-by": "${host}-$arg_user"}, nil, ir.Balance{Algorithm: upstream.Hash, HashBy: "${host}-$arg_user"}, nil},
		"a hash goes before ewma":    {kv{"upstream-hash-by": "$host", "load-balance": "ewma"}, nil, ir.Balance{Algorithm: upstream.Hash, HashBy: "$host"}, nil},
		"an unknown variable":        {kv{"upstream-hash-by": "$nosuch", "load-balance": "ewma"}, nil, ir.Balance{Algorithm: upstream.EWMA}, []string{"upstream-hash-by"}},
		"a hash with a space":        {kv{"upstream-hash-by": "$host $uri"}, nil, ir.Balance{}, []string{"upstream-hash-by"}},
		"subsets of three":           {kv{"upstream-hash-by": "$host", "upstream-hash-by-subset": "true"}, nil, ir.Balance{Algorithm: upstream.Hash, HashBy: "$host", SubsetSize: 3}, nil},
		"subsets of five":            {kv{"upstream-hash-by": "$host", "upstream-hash-by-subset": "true", "upstream-hash-by-subset-size": "5"}, nil, ir.Balance{Algorithm: upstream.Hash, HashBy: "$host", SubsetSize: 5}, nil},
		"subsets of none":            {kv{"upstream-hash-by": "$host", "upstream-hash-by-subset": "true", "upstream-hash-by-subset-size": "0"}, nil, ir.Balance{Algorithm: upstream.Hash, HashBy: "$host", SubsetSize: 3}, []string{"upstream-hash-by-subset-size"}},
		"a subset size alone":        {kv{"upstream-hash-by": "$host", "upstream-hash-by-subset-size": "5"}, nil, ir.Balance{Algorithm: upstream.Hash, HashBy: "$host"}, nil},
		"subsets without hash":       {kv{"upstream-hash-by-subset": "true"}, nil, ir.Balance{}, nil},
		"subset that is no bool":     {kv{"upstream-hash-by": "$host", "upstream-hash-by-subset": "x"}, nil, ir.Balance{Algorithm: upstream.Hash, HashBy: "$host"}, []string{"upstream-hash-by-subset"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations, ConfigMap: tt.configMap})
			if diff := cmp.Diff(tt.want, out.Balance); diff != "" {
				t.Errorf("balance (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.refused, out.Refused); diff != "" {
				t.Errorf("refused keys (-want +got):\n%s", diff)
			}
		})
	}
}
