// Package access says from where requests may come: the allow and deny lists of an Ingress, whether one of several
// access rules is enough (satisfy), and what is refused everywhere (block-cidrs, block-user-agents,
// block-referers).
//
// Package annotations imports it. Its filters are immutable and safe for concurrent use.
package access
