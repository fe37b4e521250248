// Package streams is the settings of TCP and UDP services, which are all in the controller's ConfigMap. The services
// themselves are in ConfigMaps of their own, which controllers/translate reads.
//
// Package annotations imports it through the generated list; it imports annotations/feature. Everything here is immutable.
package streams
