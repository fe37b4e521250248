// Command yett is a Kubernetes Ingress controller with the proxy inside one process.
//
//	yett controller   serves the Ingresses of a cluster
//	yett serve        serves manifest files, without a cluster
//	yett demo         serves examples with backends of its own, and prints curl lines
//	yett explain      says what would be done with a request, and why
//	yett routes       lists what is served, in the order in which it is tried
//	yett lint         lists the mistakes in manifest files
//	yett version      prints the version
//
// In an image it also answers as /nginx-ingress-controller and /wait-shutdown (multicall.go).
//
// This package holds flags, wiring and the life cycle; one file a subcommand. Everything else is below.
package main
