// Package certtest makes certificate authorities, certificates and revocation lists for tests. Only tests import it. A CA is safe
// for concurrent use.
package certtest
