package timeouts

import (
	"slices"
	"testing"
	"time"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
)

func TestTimeouts(t *testing.T) {
	type want struct {
		connect, read, send time.Duration
		refused             []string
	}
	for name, tt := range map[string]struct {
		in   featuretest.Input
		want want
	}{
		"nginx's defaults hold when nothing is set": {
			want: want{connect: 5 * time.Second, read: time.Minute, send: time.Minute},
		},
		"the ConfigMap sets the default and the annotation wins": {
			in: featuretest.Input{
				ConfigMap:   map[string]string{"proxy-read-timeout": "30", "proxy-send-timeout": "31"},
				Annotations: map[string]string{"proxy-read-timeout": "600"},
			},
			want: want{connect: 5 * time.Second, read: 10 * time.Minute, send: 31 * time.Second},
		},
		"a unit of seconds is understood": {
			in:   featuretest.Input{Annotations: map[string]string{"proxy-connect-timeout": "7s"}},
			want: want{connect: 7 * time.Second, read: time.Minute, send: time.Minute},
		},
		"a bad annotation falls back to the ConfigMap": {
			in: featuretest.Input{
				ConfigMap:   map[string]string{"proxy-connect-timeout": "9"},
				Annotations: map[string]string{"proxy-connect-timeout": "soon"},
			},
			want: want{connect: 9 * time.Second, read: time.Minute, send: time.Minute, refused: []string{"proxy-connect-timeout"}},
		},
		"zero, which would fail every request, and other units are refused": {
			in: featuretest.Input{Annotations: map[string]string{
				"proxy-connect-timeout": "0", "proxy-read-timeout": "-1", "proxy-send-timeout": "5m",
			}},
			want: want{
				connect: 5 * time.Second, read: time.Minute, send: time.Minute,
				refused: []string{"proxy-connect-timeout", "proxy-read-timeout", "proxy-send-timeout"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, tt.in)
			p := out.Policy
			if p.Connect != tt.want.connect || p.Read != tt.want.read || p.Send != tt.want.send {
				t.Errorf("connect %v, read %v, send %v; want %+v", p.Connect, p.Read, p.Send, tt.want)
			}
			if !slices.Equal(out.Refused, tt.want.refused) || out.Denied {
				t.Errorf("refused %v, denied %v; want %v", out.Refused, out.Denied, tt.want.refused)
			}
		})
	}
}
