package proxy

import (
	"net/http"
	"strconv"

	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/grpc"
	"github.com/yettproxy/yett/proxy/wire"
)

// wantsGRPC reports whether an answer of the proxy's own has to be put into words of gRPC. A page in HTML tells a client of
// gRPC no more than that something is wrong.
func wantsGRPC(x *filter.Exchange) bool {
	return x.Request.Major >= 2 && x.Response.Status >= 300 && grpc.Is(x.Request.Fields.Value(wire.ContentType))
}

// answerGRPC sends an answer of the proxy's own as gRPC has it: 200, the status in fields, and no body ("Trailers-Only").
// Filters, metrics and the access log see the status that HTTP would have, since that is what they were made for.
func (d *disposition) answerGRPC(x *filter.Exchange) {
	r := &x.Response
	d.completeHead(x)
	status := r.Status
	r.Fields.SetKnown(wire.ContentType, grpc.ContentType)
	r.Fields.Set(grpc.StatusField, grpc.FromHTTP(status).String())
	r.Fields.Set(grpc.MessageField, grpcMessage(x))
	r.Status, r.Length = http.StatusOK, wire.Unknown
	err := x.Stream.WriteHead(r)
	r.Status = status
	if err == nil {
		err = x.Stream.Finish(nil)
	}
	if err != nil {
		x.ClientGone = true
		x.Stream.Abort()
	}
}

// grpcMessage says in a line what the answer is about.
func grpcMessage(x *filter.Exchange) string {
	b := strconv.AppendInt(x.Arena.Begin(), int64(x.Response.Status), 10)
	if text := http.StatusText(x.Response.Status); text != "" {
		b = append(append(b, ' '), text...)
	}
	if n := x.NumAttempts; n > 0 && x.Attempts[n-1].Failure.Status() == x.Response.Status {
		b = append(append(b, ": "...), x.Attempts[n-1].Failure.String()...)
	}
	if to := x.Response.Fields.Value(wire.Location); to != "" {
		b = grpc.AppendMessage(append(b, ": "...), to)
	}
	return x.Arena.End(b)
}
