package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
)

// caller is the service of gRPC's interoperability tests, as far as the tests here need it.
type caller struct {
	pb.UnimplementedTestServiceServer
	name  string
	calls atomic.Int64 // unary ones
	begun atomic.Int64 // of every kind
	// gone hears of each call whose client has given up.
	gone chan error
}

// UnaryCall answers with what was sent, or the status that was asked for with a detail.
func (c *caller) UnaryCall(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	c.calls.Add(1)
	in, _ := metadata.FromIncomingContext(ctx)
	_ = grpc.SetHeader(ctx, c.told(in))
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-trailer", first(in, "x-there"), "x-trailer-bin", first(in, "x-there-bin")))
	if wait, err := time.ParseDuration(first(in, "x-wait")); err == nil {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			c.gone <- ctx.Err()
			return nil, ctx.Err()
		}
	}
	if s := r.GetResponseStatus(); s != nil {
		st, err := status.New(codes.Code(s.Code), s.Message).WithDetails(&pb.SimpleRequest{ResponseSize: 77})
		if err != nil {
			return nil, err
		}
		return nil, st.Err()
	}
	size := int(r.GetResponseSize())
	if size == 0 {
		size = len(r.GetPayload().GetBody())
	}
	return &pb.SimpleResponse{Payload: &pb.Payload{Body: make([]byte, size)}, Username: c.name}, nil
}

// told counts a call, and is what its client hears of what the server saw.
func (c *caller) told(in metadata.MD) metadata.MD {
	c.begun.Add(1)
	return metadata.Pairs("x-name", c.name, "x-authority", first(in, ":authority"), "x-user", first(in, "x-user"), "x-real", first(in, "x-real-ip"),
		"x-back-bin", first(in, "x-there-bin"), "x-auth-seen", strings.Join(in.Get("x-auth-user"), "|")+";"+strings.Join(in.Get("x-auth-groups"), "|"),
		"x-authorization-seen", first(in, "authorization"))
}

// first returns the first value of a key.
func first(m metadata.MD, key string) string {
	if v := m.Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

// StreamingOutputCall sends as many messages as were asked for.
func (c *caller) StreamingOutputCall(r *pb.StreamingOutputCallRequest, s pb.TestService_StreamingOutputCallServer) error {
	in, _ := metadata.FromIncomingContext(s.Context())
	_ = s.SetHeader(c.told(in))
	for _, p := range r.ResponseParameters {
		time.Sleep(time.Duration(p.IntervalUs) * time.Microsecond)
		if err := s.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: make([]byte, p.Size)}}); err != nil {
			c.gone <- err
			return err
		}
	}
	return nil
}

// StreamingInputCall counts bytes.
func (c *caller) StreamingInputCall(s pb.TestService_StreamingInputCallServer) error {
	total := 0
	in, _ := metadata.FromIncomingContext(s.Context())
	_ = s.SetHeader(c.told(in))
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return s.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(total)})
		}
		if err != nil {
			return err
		}
		total += len(r.GetPayload().GetBody())
	}
}

// FullDuplexCall says something first, and then answers message by message.
func (c *caller) FullDuplexCall(s pb.TestService_FullDuplexCallServer) error {
	in, _ := metadata.FromIncomingContext(s.Context())
	_ = s.SetHeader(c.told(in))
	s.SetTrailer(metadata.Pairs("x-trailer", "late"))
	if err := s.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: []byte("hello " + first(in, "x-there"))}}); err != nil {
		return err
	}
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return status.Error(codes.DataLoss, "end of the game")
		}
		if err != nil {
			c.gone <- err
			return err
		}
		if err := s.Send(&pb.StreamingOutputCallResponse{Payload: r.GetPayload()}); err != nil {
			return err
		}
	}
}

// callee is a running server of gRPC.
type callee struct {
	*caller
	port   int
	health *health.Server

	mu      sync.Mutex
	address string
	options []grpc.ServerOption
	server  *grpc.Server
}

// startCallee starts one, with TLS if there is a certificate. Port 0 is any.
func startCallee(t *testing.T, name, address string, port int, cert *tls.Certificate) *callee {
	t.Helper()
	s := newCallee(name)
	s.address, s.port = address, port
	if cert != nil {
		s.options = append(s.options, grpc.Creds(credentials.NewServerTLSFromCert(cert)))
	}
	s.begin(t)
	return s
}

// startCalleeWith starts one with further options.
func startCalleeWith(t *testing.T, name string, options ...grpc.ServerOption) *callee {
	t.Helper()
	s := newCallee(name)
	s.options = append(s.options, options...)
	s.begin(t)
	return s
}

// newCallee returns a server that does not run yet.
func newCallee(name string) *callee {
	return &callee{
		caller: &caller{name: name, gone: make(chan error, 10_000)}, health: health.NewServer(), address: "127.0.0.1",
		options: []grpc.ServerOption{grpc.MaxRecvMsgSize(64 << 20), grpc.MaxSendMsgSize(64 << 20)},
	}
}

// begin runs the server until the test ends.
func (s *callee) begin(t *testing.T) {
	t.Helper()
	s.run(t)
	t.Cleanup(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.server.Stop()
	})
}

// run listens and serves.
func (s *callee) run(t *testing.T) {
	l, err := net.Listen("tcp", net.JoinHostPort(s.address, strconv.Itoa(s.port)))
	if err != nil {
		t.Error(err)
		return
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server = grpc.NewServer(s.options...)
	pb.RegisterTestServiceServer(s.server, s.caller)
	grpc_health_v1.RegisterHealthServer(s.server, s.health)
	reflection.Register(s.server)
	go func(server *grpc.Server) { _ = server.Serve(l) }(s.server)
}

// restart ends the server as a Pod ends that knows how to, and starts another one.
func (s *callee) restart(t *testing.T) {
	s.mu.Lock()
	server := s.server
	s.mu.Unlock()
	server.GracefulStop()
	s.run(t)
}

// dialGate connects a client of gRPC to the gate, for a host.
func dialGate(t *testing.T, s *stage, host string, secure bool) *grpc.ClientConn {
	t.Helper()
	address, creds := s.gate.HTTP, insecure.NewCredentials()
	if secure {
		address, creds = s.gate.HTTPS, credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, ServerName: host})
	}
	c, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(creds), grpc.WithAuthority(host),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20), grpc.MaxCallSendMsgSize(64<<20)), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// told returns the code and message of an error, for comparing.
func told(err error) string {
	st := status.Convert(err)
	return fmt.Sprint(st.Code(), ": ", st.Message())
}
