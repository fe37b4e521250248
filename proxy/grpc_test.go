package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/yettproxy/yett/annotations/access"
	"github.com/yettproxy/yett/annotations/ratelimit"
	"github.com/yettproxy/yett/proxy/filter"
	"github.com/yettproxy/yett/proxy/ir"
	"github.com/yettproxy/yett/proxy/upstream"
)

// callee is a server of gRPC that answers with what was sent, after a while.
type callee struct {
	pb.UnimplementedTestServiceServer
	wait atomic.Int64
	gone chan error
}

func (c *callee) UnaryCall(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	select {
	case <-time.After(time.Duration(c.wait.Load())):
	case <-ctx.Done():
		c.gone <- ctx.Err()
		return nil, ctx.Err()
	}
	return &pb.SimpleResponse{Payload: r.GetPayload()}, nil
}

func (c *callee) FullDuplexCall(s pb.TestService_FullDuplexCallServer) error {
	if err := s.Send(&pb.StreamingOutputCallResponse{}); err != nil {
		return err
	}
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return status.Error(codes.DataLoss, "end")
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

// listenGRPC serves a callee.
func listenGRPC(t testing.TB, c *callee, address string) (*grpc.Server, netip.AddrPort) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20))
	pb.RegisterTestServiceServer(s, c)
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	go func() { _ = s.Serve(l) }()
	return s, netip.MustParseAddrPort(l.Addr().String())
}

// callGate starts a proxy that sends a.test to endpoints by gRPC, and a client of it.
func callGate(t testing.TB, change func(*ir.Route), endpoints ...netip.AddrPort) (*grpc.ClientConn, string) {
	t.Helper()
	p, err := New(Options{HTTP: []string{"127.0.0.1:0"}})
	if err != nil {
		t.Fatal(err)
	}
	key := upstream.Key{Namespace: "default", Service: "a", Port: "80"}
	route := ir.Route{
		Path: "/", Origin: filter.Origin{Namespace: "default", Ingress: "i", Service: "a", ServicePort: "80", Host: "a.test", Path: "/"},
		Backend: ir.Backend{Upstream: key}, Policy: ir.DefaultPolicy(),
	}
	route.Policy.Protocol, route.Policy.MaxBody = ir.GRPC, 0
	if change != nil {
		change(&route)
	}
	var specs []upstream.Spec
	for _, e := range endpoints {
		specs = append(specs, upstream.Spec{Address: upstream.Address{AddrPort: e}})
	}
	p.Registry().Upstream(key).Publish(specs)
	settings := ir.DefaultSettings()
	settings.Limits.ConcurrentStreams = 1000
	if problems := p.Apply(&ir.Config{
		Settings: settings, Upstreams: []ir.Upstream{{Key: key}},
		Hosts: []ir.VirtualHost{{Name: "a.test", Routes: []ir.Route{route}}},
	}); len(problems) > 0 {
		t.Fatal(problems)
	}
	p.Start()
	plain, _ := p.Addresses()
	address := plain[0].String()
	c, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("a.test"),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64<<20)), grpc.WithDisableRetry())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = p.Drain(ctx, 0)
	})
	return c, address
}

func TestGRPCThroughTheProxy(t *testing.T) {
	service := &callee{gone: make(chan error, 1000)}
	server, addr := listenGRPC(t, service, "127.0.0.1:0")
	defer server.Stop()
	conn, address := callGate(t, nil, addr)
	c := pb.NewTestServiceClient(conn)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, size := range []int{0, 10, 70_000, 10 << 20} {
		r, err := c.UnaryCall(ctx, &pb.SimpleRequest{Payload: &pb.Payload{Body: make([]byte, size)}})
		if err != nil || len(r.GetPayload().GetBody()) != size {
			t.Errorf("%d bytes: %d, %v", size, len(r.GetPayload().GetBody()), err)
		}
	}
	if _, err := c.UnimplementedCall(ctx, &pb.Empty{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("unimplemented: %v", err)
	}
	var all sync.WaitGroup
	for range 300 {
		stream, err := c.FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			if _, err := stream.Recv(); err != nil { // the server speaks first
				t.Error(err)
				return
			}
			for n := range 5 {
				_ = stream.Send(&pb.StreamingOutputCallRequest{Payload: &pb.Payload{Body: make([]byte, n*1000)}})
				if r, err := stream.Recv(); err != nil || len(r.GetPayload().GetBody()) != n*1000 {
					t.Errorf("message %d: %v", n, err)
					return
				}
			}
			_ = stream.CloseSend()
			if _, err := stream.Recv(); status.Code(err) != codes.DataLoss {
				t.Errorf("the end: %v", err)
			}
		})
	}
	all.Wait()
	service.wait.Store(int64(20 * time.Second))
	for name, leave := range map[string]func() (context.Context, context.CancelFunc){
		"deadline": func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, 300*time.Millisecond) },
		"cancel": func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(300*time.Millisecond, cancel)
			return ctx, cancel
		},
	} {
		ctx, cancel := leave()
		_, err := c.UnaryCall(ctx, &pb.SimpleRequest{})
		if want := map[string]codes.Code{"deadline": codes.DeadlineExceeded, "cancel": codes.Canceled}[name]; status.Code(err) != want {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		select {
		case <-service.gone:
		case <-time.After(3 * time.Second):
			t.Errorf("%s: the server does not hear of it", name)
		}
	}
	r, _ := http.NewRequest("POST", "http://"+address+"/grpc.testing.TestService/UnaryCall", strings.NewReader("\x00\x00\x00\x00\x00"))
	r.Host = "a.test"
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("TE", "trailers")
	if resp, err := http.DefaultClient.Do(r); err != nil || resp.StatusCode != 505 {
		t.Errorf("gRPC over HTTP/1.1: %v, %v", resp, err)
	}
}

func TestAnswersOfTheProxyAreStatusOfGRPC(t *testing.T) {
	service := &callee{gone: make(chan error, 1000)}
	server, addr := listenGRPC(t, service, "127.0.0.1:0")
	defer server.Stop()
	slow := &callee{gone: make(chan error, 1000)}
	slow.wait.Store(int64(5 * time.Second))
	slowServer, slowAddr := listenGRPC(t, slow, "127.0.0.1:0")
	defer slowServer.Stop()
	web := speaksHTTP1(t)
	nobody := netip.MustParseAddrPort("127.0.0.1:1")
	for name, tt := range map[string]struct {
		change   func(*ir.Route)
		endpoint netip.AddrPort
		size     int
		want     codes.Code
		message  string
	}{
		"no endpoint":    {nil, netip.AddrPort{}, 0, codes.Unavailable, "503 Service Unavailable"},
		"nobody listens": {nil, nobody, 0, codes.Unavailable, "502 Bad Gateway: connection refused"},
		"no HTTP/2":      {nil, web, 0, codes.Unavailable, "502 Bad Gateway: protocol not supported"},
		"too slow": {func(r *ir.Route) {
			r.Policy.Read, r.Policy.Retry.On = 200*time.Millisecond, 0
		}, slowAddr, 0, codes.DeadlineExceeded, "504 Gateway Timeout: waiting for the response timed out"},
		"not allowed": {func(r *ir.Route) {
			r.Filters = []filter.Spec{access.Spec{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
		}, addr, 0, codes.PermissionDenied, "403 Forbidden"},
		"rate limit": {func(r *ir.Route) {
			r.Filters = []filter.Spec{ratelimit.Requests{PerSecond: 1, Multiplier: 1, Status: 429}}
		}, addr, 0, codes.Unavailable, "429 Too Many Requests"},
		"too large":    {func(r *ir.Route) { r.Policy.MaxBody = 1000 }, addr, 100_000, codes.ResourceExhausted, "413 Request Entity Too Large"},
		"unknown path": {func(r *ir.Route) { r.Path = "/other" }, addr, 0, codes.Unimplemented, "404 Not Found"},
		"denied route": {func(r *ir.Route) { r.Deny = 503 }, addr, 0, codes.Unavailable, "503 Service Unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			var endpoints []netip.AddrPort
			if tt.endpoint.IsValid() {
				endpoints = append(endpoints, tt.endpoint)
			}
			conn, _ := callGate(t, tt.change, endpoints...)
			c := pb.NewTestServiceClient(conn)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			var err error
			for range 10 {
				if _, err = c.UnaryCall(ctx, &pb.SimpleRequest{Payload: &pb.Payload{Body: make([]byte, tt.size)}}); err != nil {
					break
				}
			}
			if st := status.Convert(err); st.Code() != tt.want || st.Message() != tt.message {
				t.Errorf("got %v, want %v %q", err, tt.want, tt.message)
			}
		})
	}
}

// speaksHTTP1 is an endpoint that does not understand HTTP/2.
func speaksHTTP1(t *testing.T) netip.AddrPort {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

// TestTheProxyKeepsTheDeadline is about clients that only write their deadline down.
func TestTheProxyKeepsTheDeadline(t *testing.T) {
	service := &callee{gone: make(chan error, 10)}
	service.wait.Store(int64(20 * time.Second))
	server, addr := listenGRPC(t, service, "127.0.0.1:0")
	defer server.Stop()
	_, address := callGate(t, nil, addr)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	r, _ := http.NewRequest("POST", "http://"+address+"/grpc.testing.TestService/UnaryCall", strings.NewReader("\x00\x00\x00\x00\x00"))
	r.Host = "a.test"
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	r.Header.Set("Grpc-Timeout", "200m")
	start := time.Now()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	// Who answers first, the proxy or the endpoint, which knows the deadline too, does not matter; both say the same.
	_, _ = io.Copy(io.Discard, resp.Body)
	code := resp.Header.Get("Grpc-Status") + resp.Trailer.Get("Grpc-Status")
	if took := time.Since(start); code != "4" || resp.StatusCode != 200 || took < 150*time.Millisecond || took > 5*time.Second {
		t.Errorf("%d, status %q after %v", resp.StatusCode, code, took)
	}
}

// TestNoCallIsLostWhenEndpointsRestart replaces two servers in turn while calls come.
func TestNoCallIsLostWhenEndpointsRestart(t *testing.T) {
	service := &callee{gone: make(chan error, 1<<16)}
	service.wait.Store(int64(time.Millisecond))
	one, first := listenGRPC(t, service, "127.0.0.1:0")
	two, second := listenGRPC(t, service, "127.0.0.2:0")
	conn, _ := callGate(t, nil, first, second)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var calls, failed atomic.Int64
	var load sync.WaitGroup
	for i := range 8 {
		c := pb.NewTestServiceClient(conn)
		load.Go(func() {
			for ctx.Err() == nil {
				call, done := context.WithTimeout(context.Background(), 20*time.Second)
				if _, err := c.UnaryCall(call, &pb.SimpleRequest{Payload: &pb.Payload{Body: make([]byte, i*100)}}); err != nil {
					failed.Add(1)
					t.Errorf("call %d: %v", calls.Load(), err)
				}
				done()
				calls.Add(1)
			}
		})
	}
	for range 10 {
		for _, s := range []struct {
			server **grpc.Server
			addr   netip.AddrPort
		}{{&one, first}, {&two, second}} {
			before := calls.Load()
			for deadline := time.Now().Add(5 * time.Second); calls.Load() < before+50 && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond)
			}
			(*s.server).GracefulStop()
			*s.server, _ = listenGRPC(t, service, s.addr.String())
		}
	}
	cancel()
	load.Wait()
	one.Stop()
	two.Stop()
	t.Logf("%d calls through 20 restarts, %d failed", calls.Load(), failed.Load())
}
