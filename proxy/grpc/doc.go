// Package grpc is what a proxy has to know of gRPC: which requests are gRPC, how long they may take, and which status of gRPC
// stands for an answer that is HTTP. Messages pass through as bytes: nothing here, or anywhere in the proxy, looks into them,
// so there is no framing to parse and nothing to go wrong in it.
//
// Everything in the data plane may import it; it imports nothing of ours. Everything here is pure.
package grpc
