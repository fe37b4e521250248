// Package headers is the family of fields: upstream-vhost, connection-proxy-header and custom-headers of
// an Ingress; fields that all requests and responses get or lose, and HSTS, by the ConfigMap.
//
// The list of families in package annotations imports it, nobody else. Its filters are immutable.
package headers
