// Package observe turns what happened to an exchange into metrics and access-log lines. Metric names and
// labels are those of ingress-nginx, so that its dashboards, Flagger and alerts work unchanged.
//
// Everything that can be known before a request comes is bound when the route table is compiled: a
// RouteMetrics holds its label values, a LogFormat its operations. Observing costs no allocation and no
// lock that all cores share.
//
// The data plane above proxy/ir may import it, and the controllers for the Controller metrics. It imports
// proxy/wire, proxy/filter, proxy/ir, proxy/pattern and proxy/variable. All exported types are safe for
// concurrent use.
package observe
