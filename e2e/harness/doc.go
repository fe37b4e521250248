// Package harness is what the end-to-end suites share: a network namespace of the tests' own, the binary built once, a
// real API server with its etcd, running gates, and backends with addresses of their own.
//
// Only tests import it. It keeps no state: a suite's TestMain makes what its tests share and holds it. Everything may be
// used by several tests at once.
package harness
