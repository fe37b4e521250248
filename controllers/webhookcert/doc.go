// Package webhookcert keeps the certificate of the admission webhook. A Keeper makes it, keeps it in a Secret that all replicas
// share, renews it in time, and tells the API server whom to trust (caBundle). No job has to run, and it does not matter who
// applies the manifests. Files takes it from files instead, as ingress-nginx does and cert-manager needs.
//
// The commands import it. Certificate may be called by any number of goroutines; each Run runs once.
package webhookcert
