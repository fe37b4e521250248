package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/controllers/store"
	"github.com/yettproxy/yett/controllers/translate"
)

// finding is one line of `yett lint`.
type finding struct {
	// Level is error for what is refused or closes paths, warning for what is served otherwise than written, note for what is
	// worth knowing.
	Level string `json:"level"`
	File  string `json:"file,omitempty"`
	Line  int    `json:"line,omitempty"`
	// Kind and Name are the object's; "" if the file is at fault.
	Kind string `json:"kind,omitempty"`
	Name string `json:"name,omitempty"`
	// Key is the annotation, the ConfigMap key or the field, Value what stands there.
	Key    string `json:"key,omitempty"`
	Value  string `json:"value,omitempty"`
	Reason string `json:"reason"`
}

// newLint returns `yett lint`.
func newLint() *cobra.Command {
	o := &options{}
	var paths []string
	var strict bool
	var out output
	cmd := &cobra.Command{
		Use:   "lint PATH...",
		Short: "List the mistakes in manifest files, without serving them",
		Long: "Reads manifests as `yett serve` does and lists everything that is not served as it is written, one line each:\n" +
			"file, line, level, object, key, value, and why, with what to write instead.\n\n" +
			"  error    refused, or closes its paths (503), so that nothing is open that was meant to be guarded\n" +
			"  warning  served, but not as written\n" +
			"  note     worth knowing\n\n" +
			"It ends with status 1 if there is an error, with --strict also if there is a warning.",
		Example: "  yett lint deploy/\n  yett lint --strict -o json ingress.yaml",
		Args:    cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := lint(cmd.Context(), o, append(paths, args...))
			if err != nil {
				return err
			}
			if err := out.print(cmd.OutOrStdout(), list, func(w io.Writer) { printFindings(w, list) }); err != nil {
				return err
			}
			return verdictOf(list, strict)
		},
	}
	o.addMeaning(cmd.Flags())
	addManifests(cmd.Flags(), o, &paths)
	cmd.Flags().BoolVar(&strict, "strict", false, "end with status 1 also for warnings")
	out.add(cmd.Flags())
	return cmd
}

// lint finds the mistakes in manifests.
func lint(ctx context.Context, o *options, paths []string) ([]finding, error) {
	r, err := rehearse(ctx, o, paths, 200)
	if err != nil {
		return nil, err
	}
	list := []finding{}
	refused, warned := r.files.Mistakes()
	for level, mistakes := range map[string][]*store.ManifestError{"error": refused, "warning": warned} {
		for _, m := range mistakes {
			list = append(list, finding{Level: level, File: m.File, Line: m.Line, Reason: m.Reason})
		}
	}
	closed := r.closed()
	for i := range r.result.Verdicts {
		v := &r.result.Verdicts[i]
		if v.State == translate.Ignored && v.Reason != "" {
			list = append(list, r.finding("Ingress", v.Name, feature.Problem{Reason: "ignored: " + v.Reason, Note: true}))
		}
		for _, p := range v.Problems {
			f := r.finding("Ingress", v.Name, p)
			if f.Level == "warning" && (v.State == translate.Rejected || closed[p.Reason]) {
				f.Level = "error"
			}
			list = append(list, f)
		}
	}
	for _, p := range r.result.Problems {
		list = append(list, r.finding(string(p.Kind), p.Name, p.Problem))
	}
	slices.SortStableFunc(list, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Name, b.Name))
	})
	return list, r.Close()
}

// closed returns why routes answer instead of serving, as far as only compiling them has shown it.
func (r *rehearsal) closed() map[string]bool {
	reasons := map[string]bool{}
	for _, h := range r.Table().Hosts {
		for _, route := range h.Routes() {
			if route.Deny != 0 {
				reasons[route.DenyReason] = true
			}
		}
	}
	return reasons
}

// finding finds out where a problem stands.
func (r *rehearsal) finding(kind string, name types.NamespacedName, p feature.Problem) finding {
	f := finding{Level: "warning", Kind: kind, Name: name.String(), Key: p.Key, Value: p.Value, Reason: p.Reason}
	switch {
	case p.Denied || p.Reject:
		f.Level = "error"
	case p.Note:
		f.Level = "note"
	}
	if name.Name == "" {
		f.Kind, f.Name = "", ""
	}
	if p.Global {
		kind, name = string(translate.ConfigMap), r.configMap
	}
	f.File, f.Line = r.files.Find(kind, name, keysOf(p.Key)...)
	return f
}

// keysOf returns what may stand in a manifest for the key of a problem: annotations have a prefix; of a field of the spec the
// last part that has a name.
func keysOf(key string) []string {
	if !strings.HasPrefix(key, "spec.") {
		return []string{feature.YettPrefix + key, feature.NginxPrefix + key, key}
	}
	var keys []string
	for _, part := range slices.Backward(strings.Split(key, ".")[1:]) {
		part, _, _ = strings.Cut(part, "[")
		keys = append(keys, part)
	}
	return keys
}

// printFindings writes findings as compilers do, so that editors can follow them.
func printFindings(w io.Writer, list []finding) {
	for _, f := range list {
		text := f.Level + ": "
		if f.File != "" {
			text = fmt.Sprintf("%s:%d: %s", f.File, f.Line, text)
		}
		if f.Name != "" {
			text += f.Kind + " " + f.Name + ": "
		}
		if f.Key != "" {
			text += f.Key
			if f.Value != "" {
				text += fmt.Sprintf(" %q", f.Value)
			}
			text += ": "
		}
		fmt.Fprintln(w, text+f.Reason)
	}
}

// verdictOf returns an error if manifests do not pass.
func verdictOf(list []finding, strict bool) error {
	count := map[string]int{}
	for _, f := range list {
		count[f.Level]++
	}
	if count["error"] > 0 || strict && count["warning"] > 0 {
		return fmt.Errorf("manifests have mistakes: %d errors, %d warnings, %d notes", count["error"], count["warning"], count["note"])
	}
	return nil
}
