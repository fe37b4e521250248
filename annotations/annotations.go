package annotations

import (
	"github.com/yettproxy/yett/annotations/feature"
	"github.com/yettproxy/yett/proxy/ir"
)

//go:generate go run ../hack/genregistry .

// Prefixes are those under which keys are looked for when the operator has not moved one: ours, then nginx's.
func Prefixes() []string { return []string{feature.YettPrefix, feature.NginxPrefix} }

// all is the catalogue of the families of this build. It is never written.
var all = NewCatalogue(Families())

// Apply turns the annotations of one Ingress into an intent, and says what could not be honoured. Equal
// sources give equal results. Mistakes in the ConfigMap are not repeated here, unless they deny the Ingress.
func Apply(src *feature.Source) (*feature.Intent, []feature.Problem) { return all.Apply(src) }

// Configure turns the controller's ConfigMap into settings, and says what could not be honoured, be it a default
// for all Ingresses or a setting of the process.
func Configure(src *feature.Source) (ir.Settings, []feature.Problem) { return all.Configure(src) }
