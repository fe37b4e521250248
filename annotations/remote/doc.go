// Package remote is about the URLs of services that the proxy itself sends requests to, as annotations name them: text with
// nginx variables. It checks them before anything is filled in, so that no client can choose the host, and makes them
// ready to be sent afterwards.
//
// Families that send requests import it (extauth, mirror). It imports proxy/wire alone. Everything here is a pure function.
package remote
