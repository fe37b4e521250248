// Package remote is about the requests that the proxy itself sends to services which annotations name. Their URLs are text with
// nginx variables: it checks them before anything is filled in, so that no client can choose the host, and makes them
// ready to be sent afterwards. Of a client's fields it says which such a request may carry.
//
// Families that send requests import it (extauth, mirror). It imports proxy/wire alone. Everything here is a pure function.
package remote
