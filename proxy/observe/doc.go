// Package observe turns what happened to an exchange into metrics and access-log lines. Metric names and
// labels are those of ingress-nginx, so that its dashboards, Flagger and alerts work unchanged.
//
// Everything that can be known before a request comes is bound when the route table is compiled: a
// RouteMetrics holds its label values, a LogFormat its operations. Observing costs no allocation and no
// lock that all cores share.
//
// Where the metrics differ from ingress-nginx's, on purpose:
//
//   - Methods that nginx does not know have the label method="OTHER", so that a flood of invented methods
//     cannot make a flood of series.
//   - A wildcard host is labelled with the wildcard ("*.a.test"), a rule without host with "_"; ingress-nginx
//     leaves their requests out. With UndefinedHosts both have the host of the request, as there, for the first
//     thousand hosts, and "_" for the rest.
//   - A configured canary has its series for GET and 200 from the start, at zero: analysis tools such as
//     Flagger need two samples to see a rate, and take a missing series for a failure.
//   - Where several attempts were made, the durations are those of the last one; ingress-nginx observes none.
//   - Series go when nothing in two successive tables has their labels.
//
// The data plane above proxy/ir may import it, and the controllers for the Controller metrics. It imports
// proxy/wire, proxy/filter, proxy/ir, proxy/pattern and proxy/variable. All exported types are safe for
// concurrent use.
package observe
