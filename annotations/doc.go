// Package annotations runs all annotation families over one Ingress (Apply) and over the controller's
// ConfigMap (Configure), and knows the catalogue of all keys there are.
//
// What no family can decide alone happens here: keys that nobody declares are reported with what was probably
// meant, keys that are riskier than the operator allows are taken out before any family sees them, keys that do
// nothing yet are named, and a family that panics costs one Ingress, not the process.
//
// controllers/translate, controllers/admission and the tools import it; it imports the families and what they import, and
// nothing of Kubernetes. Apply and Configure are pure and safe for concurrent use; an Applier belongs to one
// goroutine.
package annotations
