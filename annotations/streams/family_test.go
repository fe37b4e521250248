package streams

import (
	"slices"
	"testing"
	"time"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
	"github.com/yettproxy/yett/proxy/ir"
)

func TestSettings(t *testing.T) {
	defaults := ir.DefaultSettings().Stream
	changed := func(edit func(*ir.StreamSettings)) ir.StreamSettings { s := defaults; edit(&s); return s }
	for name, tt := range map[string]struct {
		set     map[string]string
		want    ir.StreamSettings
		refused []string
	}{
		"nothing is set": {nil, defaults, nil},
		"everything is set": {
			map[string]string{
				"proxy-stream-timeout": "30s", "proxy-stream-next-upstream": "false", "proxy-stream-next-upstream-timeout": "5s",
				"proxy-stream-next-upstream-tries": "0", "proxy-stream-responses": "3", "log-format-stream": "$remote_addr",
				"stream-access-log-path": "/tmp/x", "disable-stream-access-log": "true",
			},
			ir.StreamSettings{
				Connect: defaults.Connect, Idle: 30 * time.Second, RetryTimeout: 5 * time.Second, Responses: 3,
				LogFormat: "$remote_addr", LogPath: "/tmp/x", LogDisabled: true,
			}, nil,
		},
		"the path of the access log": {
			map[string]string{"access-log-path": "/tmp/y"}, changed(func(s *ir.StreamSettings) { s.LogPath = "/tmp/y" }), nil,
		},
		"standard output by its name": {map[string]string{"stream-access-log-path": "/dev/stdout"}, defaults, nil},
		"all logs are off": {
			map[string]string{"disable-access-log": "true"}, changed(func(s *ir.StreamSettings) { s.LogDisabled = true }), nil,
		},
		"a timeout of 0":         {map[string]string{"proxy-stream-timeout": "0"}, defaults, []string{"proxy-stream-timeout"}},
		"a timeout that is none": {map[string]string{"proxy-stream-timeout": "soon"}, defaults, []string{"proxy-stream-timeout"}},
		"more tries than there are": {
			map[string]string{"proxy-stream-next-upstream-tries": "9"}, defaults, []string{"proxy-stream-next-upstream-tries"},
		},
		"an unknown variable": {
			map[string]string{"log-format-stream": "$request"}, changed(func(s *ir.StreamSettings) { s.LogFormat = "$request" }),
			[]string{"log-format-stream"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, out := featuretest.Configure(&Family, featuretest.Input{ConfigMap: tt.set})
			if got.Stream != tt.want || !slices.Equal(out.Refused, tt.refused) {
				t.Errorf("got  %+v, refused %v\nwant %+v, refused %v", got.Stream, out.Refused, tt.want, tt.refused)
			}
		})
	}
}
