// Package status writes what the world may know about Ingresses: their addresses in status.loadBalancer,
// and Events for what is wrong with them, or with the controller's own ConfigMaps, Services and Secrets. Only one replica does so, the
// holder of a Lease. Losing the Lease stops the writing and nothing else: traffic does not depend on it, so the process must not end when
// the API server is away, which is why the election is run here and not by the manager.
//
// The commands import it. A Writer's Report may be called from any goroutine; it never blocks.
package status
