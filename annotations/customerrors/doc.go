// Package customerrors is custom-http-errors: statuses of Services that the default backend answers instead. The family only says
// which; proxy asks the default backend, and controllers/translate says which Service that is.
//
// Package annotations imports it through the generated list; it imports annotations/feature. Everything here is immutable.
package customerrors
