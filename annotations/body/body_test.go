package body

import (
	"slices"
	"testing"

	"github.com/yettproxy/yett/annotations/feature/featuretest"
)

func TestSizes(t *testing.T) {
	for name, tt := range map[string]struct {
		annotations, configMap map[string]string
		body                   int64
		head                   int
		refused                []string
	}{
		"nginx's defaults hold when nothing is set": {body: 1 << 20, head: 4 << 10},
		"sizes are read with their units, in either case": {
			annotations: map[string]string{"proxy-body-size": "8M", "proxy-buffer-size": "128k"}, body: 8 << 20, head: 128 << 10,
		},
		"a body size of 0 means no limit": {annotations: map[string]string{"proxy-body-size": "0"}, head: 4 << 10},
		"the ConfigMap sets the default": {
			configMap: map[string]string{"proxy-body-size": "2g", "proxy-buffer-size": "16k"}, body: 2 << 30, head: 16 << 10,
		},
		"what is no size is refused": {
			annotations: map[string]string{"proxy-body-size": "8MB", "proxy-buffer-size": "-4k"},
			body:        1 << 20, head: 4 << 10, refused: []string{"proxy-body-size", "proxy-buffer-size"},
		},
		"a head of no size or of all memory is refused": {
			annotations: map[string]string{"proxy-buffer-size": "0"}, configMap: map[string]string{"proxy-buffer-size": "1g"},
			body: 1 << 20, head: 4 << 10, refused: []string{"proxy-buffer-size", "proxy-buffer-size"},
		},
		"buffering is accepted": {
			annotations: map[string]string{"proxy-request-buffering": "off", "proxy-buffering": "on"}, body: 1 << 20, head: 4 << 10,
		},
		"but not if it is neither on nor off": {
			annotations: map[string]string{"proxy-request-buffering": "maybe", "proxy-buffering": "true"}, body: 1 << 20, head: 4 << 10,
			refused: []string{"proxy-request-buffering", "proxy-buffering"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			out := featuretest.Apply(&Family, featuretest.Input{Annotations: tt.annotations, ConfigMap: tt.configMap})
			if out.Policy.MaxBody != tt.body || out.Policy.MaxResponseHead != tt.head {
				t.Errorf("body %d, head %d; want %d, %d", out.Policy.MaxBody, out.Policy.MaxResponseHead, tt.body, tt.head)
			}
			if !slices.Equal(out.Refused, tt.refused) {
				t.Errorf("refused %v, want %v", out.Refused, tt.refused)
			}
		})
	}
}
