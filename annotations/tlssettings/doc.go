// Package tlssettings is TLS towards clients, for the whole process: versions, ciphers, unknown names. There are no annotations
// here.
//
// Package annotations imports it through the generated list; it imports annotations/feature and proxy/ir. Everything here is
// immutable.
package tlssettings
