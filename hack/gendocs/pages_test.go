package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/yettproxy/yett/annotations/feature"
)

// families show every kind of row.
var families = []feature.Family{
	{
		Name: "unsupported", Doc: "What is missing.",
		Keys:     []feature.Key{{Name: "missing", Type: "text", Doc: "Does a thing.", Unsupported: "not there yet", Risk: feature.High}},
		Settings: []feature.Key{{Name: "missing-setting", Type: "text", Doc: "Does a thing.", Unsupported: "not there yet"}},
	},
	{
		Name: "sizes", Doc: "How large things are.",
		Keys: []feature.Key{
			{Name: "size", Aliases: []string{"length"}, Global: "default-size", Type: "a|b", Default: "8k", Doc: "Bounds it.", Note: "Never 0."},
			{Name: "guard", Type: "text", Doc: "Keeps people out.", OnInvalid: feature.DenyRoute, Own: true},
			{Name: "inert", Type: "bool", Doc: "Did a thing.", NoEffect: "nothing to do"},
		},
		Settings: []feature.Key{{Name: "setting", Type: "number", Default: "3", Doc: "Counts."}},
	},
}

func TestPages(t *testing.T) {
	for name, tt := range map[string]struct {
		render func(string, []feature.Family) (string, error)
		old    string
		wants  []string
	}{
		"annotations": {render: annotationsPage, wants: []string{
			"| `size`, `length` | a\\|b | `8k` | `default-size` | Bounds it. *Differs:* Never 0. | ignored | Low |",
			"| `guard` *ours* | text |  |  | Keeps people out. | **503** | Low |",
			"**No effect:** nothing to do.",
			"## unsupported\n\nWhat is missing.\n\n",
			"| `missing` | text |  |  | Does a thing. **Not there yet:** not there yet. | ignored | High |",
		}},
		"ConfigMap": {render: configMapPage, wants: []string{
			"| `setting` | number | `3` | Counts. |",
			"| `default-size` | a\\|b | `8k` | `size` | Bounds it. *Differs:* Never 0. |",
			"| `missing-setting` | text |  | Does a thing. **Not there yet:** not there yet. |",
		}},
		"differences": {render: differencesPage, old: "text\n<!-- keys:begin -->\nold\n<!-- keys:end -->\nmore\n", wants: []string{
			"text\n<!-- keys:begin -->\n| key |", "| `size` | Never 0. |\n<!-- keys:end -->\nmore\n",
		}},
		"README": {render: readme, old: "text\n<!-- supported:begin -->\n<!-- supported:end -->\nmore\n", wants: []string{
			"text\n<!-- supported:begin -->\n| area |", "| How large things are. | `size` `guard` |",
			"These are 2 annotations. Of ingress-nginx's others, 1 have nothing to do here, and 1 are not there yet", "1 keys of the ConfigMap work.\n<!-- supported:end -->\nmore\n",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := tt.render(tt.old, families)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range tt.wants {
				if !strings.Contains(text, w) {
					t.Errorf("no %q in\n%s", w, text)
				}
			}
			if strings.Contains(text, "old\n") {
				t.Error("what stood between the markers stands there still")
			}
			again, err := tt.render(text, families)
			if err != nil || again != text {
				t.Errorf("a second run changes the page: %v\n%s", err, again)
			}
		})
	}
}

func TestAPageWithoutMarkersIsLeftAlone(t *testing.T) {
	for _, old := range []string{"text\n", "<!-- supported:begin -->\n", "<!-- supported:end -->\n<!-- supported:begin -->\n"} {
		if _, err := readme(old, families); err == nil {
			t.Errorf("%q is rendered", old)
		}
	}
}

func TestCheck(t *testing.T) {
	root := t.TempDir()
	if err := run(root, families, true); err == nil {
		t.Error("no pages, no error")
	}
	if err := run(root, families, false); err != nil {
		t.Fatal(err)
	}
	if err := run(root, families, true); err != nil {
		t.Error(err)
	}
	page := filepath.Join(root, "docs/annotations.md")
	if err := os.WriteFile(page, []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(root, families, true); err == nil {
		t.Error("a changed page, no error")
	}
	if text, err := os.ReadFile(page); err != nil || string(text) != "changed" {
		t.Error("-check wrote a page")
	}
}
