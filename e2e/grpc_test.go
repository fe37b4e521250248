package e2e

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/yettproxy/yett/e2e/harness"
)

// soon is a context that ends before the test does.
func soon(t *testing.T, pairs ...string) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// body is a message of n bytes.
func body(n int) *pb.Payload { return &pb.Payload{Body: make([]byte, n)} }

// TestGRPC runs calls of every kind from grpc-go's client to its server, through a gate that speaks cleartext and TLS on
// both sides.
func TestGRPC(t *testing.T) {
	s := newStage(t)
	certPEM, keyPEM := certificate(t, "callee.test")
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	plain, secure := startCallee(t, "plain", "127.0.0.1", 0, nil), startCallee(t, "secure", "127.0.0.1", 0, &cert)
	s.settings = []string{"ssl-redirect: false", "proxy-body-size: 0"}
	s.add(endpoints("plain", plain.port, "127.0.0.1"), endpoints("secure", secure.port, "127.0.0.1"),
		ing{name: "plain", host: "plain.test", paths: []string{"/ Prefix plain"}, notes: []string{"backend-protocol: GRPC"}}.String(),
		ing{name: "secure", host: "secure.test", paths: []string{"/ Prefix secure"}, notes: []string{"backend-protocol: GRPCS"}}.String())
	s.start()
	for _, server := range []*callee{plain, secure} {
		for _, overTLS := range []bool{false, true} {
			host := server.name + ".test"
			t.Run(fmt.Sprintf("to %s, over TLS %v", host, overTLS), func(t *testing.T) {
				conn := dialGate(t, s, host, overTLS)
				for name, f := range map[string]func(*testing.T, *grpc.ClientConn, *callee){
					"unary": testUnary, "errors": testErrors, "streams": testStreams, "deadlines and cancelling": testDeadlines,
					"standard services": testStandardServices,
				} {
					t.Run(name, func(t *testing.T) { f(t, conn, server) })
				}
			})
		}
	}
}

func testUnary(t *testing.T, conn *grpc.ClientConn, server *callee) {
	c := pb.NewTestServiceClient(conn)
	for _, size := range []int{0, 1, 100, 70_000, 10 << 20} {
		r, err := c.UnaryCall(soon(t), &pb.SimpleRequest{Payload: body(size)})
		if err != nil || len(r.GetPayload().GetBody()) != size || r.Username != server.name {
			t.Errorf("%d bytes: %d bytes from %q, %v", size, len(r.GetPayload().GetBody()), r.GetUsername(), err)
		}
	}
	var header, trailer metadata.MD
	binary := "\x00\xff\n,="
	_, err := c.UnaryCall(soon(t, "x-there", "a, b", "x-there-bin", binary), &pb.SimpleRequest{}, grpc.Header(&header), grpc.Trailer(&trailer))
	if err != nil || first(header, "x-back-bin") != binary || first(trailer, "x-trailer") != "a, b" || first(trailer, "x-trailer-bin") != binary {
		t.Errorf("metadata: %q %q %v", header, trailer, err)
	}
	if first(header, "x-authority") != server.name+".test" || first(header, "x-real") != "127.0.0.1" {
		t.Errorf("seen by the server: %q", header)
	}
}

func testErrors(t *testing.T, conn *grpc.ClientConn, _ *callee) {
	c := pb.NewTestServiceClient(conn)
	_, err := c.UnaryCall(soon(t), &pb.SimpleRequest{ResponseStatus: &pb.EchoStatus{Code: int32(codes.AlreadyExists), Message: "\t100 % – ü"}})
	st := status.Convert(err)
	if st.Code() != codes.AlreadyExists || st.Message() != "\t100 % – ü" || len(st.Details()) != 1 {
		t.Fatalf("%v, details %v", err, st.Details())
	}
	if d, ok := st.Details()[0].(*pb.SimpleRequest); !ok || d.ResponseSize != 77 {
		t.Errorf("details %v", st.Details())
	}
	_, err = c.UnaryCall(soon(t), &pb.SimpleRequest{ResponseStatus: &pb.EchoStatus{Code: 9, Message: strings.Repeat("long ", 1000)}})
	if st := status.Convert(err); st.Code() != 9 || len(st.Message()) != 5000 {
		t.Errorf("a long message: %.100v", err)
	}
	if _, err := c.UnimplementedCall(soon(t), &pb.Empty{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("unimplemented: %v", err)
	}
}

func testStreams(t *testing.T, conn *grpc.ClientConn, server *callee) {
	c := pb.NewTestServiceClient(conn)
	down := &pb.StreamingOutputCallRequest{}
	for i := range 200 {
		down.ResponseParameters = append(down.ResponseParameters, &pb.ResponseParameters{Size: int32(i * i)})
	}
	out, err := c.StreamingOutputCall(soon(t), down)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if r, err := out.Recv(); err != nil || len(r.GetPayload().GetBody()) != i*i {
			t.Fatalf("message %d: %d bytes, %v", i, len(r.GetPayload().GetBody()), err)
		}
	}
	if _, err := out.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the end of the stream from the server: %v", err)
	}
	up, err := c.StreamingInputCall(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if err := up.Send(&pb.StreamingInputCallRequest{Payload: body(5000)}); err != nil {
			t.Fatal(err)
		}
	}
	if r, err := up.CloseAndRecv(); err != nil || r.AggregatedPayloadSize != 500*5000 {
		t.Errorf("the stream to the server: %v, %v", r, err)
	}
	both, err := c.FullDuplexCall(soon(t, "x-there", "you"))
	if err != nil {
		t.Fatal(err)
	}
	if r, err := both.Recv(); err != nil || string(r.GetPayload().GetBody()) != "hello you" {
		t.Fatalf("the server speaks first: %q, %v", r.GetPayload().GetBody(), err)
	}
	if header, err := both.Header(); err != nil || first(header, "x-name") != server.name {
		t.Errorf("header %v, %v", header, err)
	}
	for i := range 100 {
		if err := both.Send(&pb.StreamingOutputCallRequest{Payload: body(i * 10)}); err != nil {
			t.Fatal(err)
		}
		if r, err := both.Recv(); err != nil || len(r.GetPayload().GetBody()) != i*10 {
			t.Fatalf("ping %d: %v", i, err)
		}
	}
	_ = both.CloseSend()
	if _, err := both.Recv(); told(err) != "DataLoss: end of the game" || first(both.Trailer(), "x-trailer") != "late" {
		t.Errorf("the end of both streams: %v, trailer %v", err, both.Trailer())
	}
}

func testDeadlines(t *testing.T, conn *grpc.ClientConn, server *callee) {
	for len(server.gone) > 0 {
		<-server.gone
	}
	hears := func(what string) {
		t.Helper()
		start := time.Now()
		select {
		case <-server.gone:
			t.Logf("%s: the server hears of it after %v", what, time.Since(start))
		case <-time.After(3 * time.Second):
			t.Errorf("%s: the server does not hear of it", what)
		}
	}
	c := pb.NewTestServiceClient(conn)
	ctx, cancel := context.WithTimeout(soon(t, "x-wait", "5s"), 300*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := c.UnaryCall(ctx, &pb.SimpleRequest{}); status.Code(err) != codes.DeadlineExceeded || time.Since(start) > 3*time.Second {
		t.Errorf("deadline: %v after %v", err, time.Since(start))
	}
	hears("a deadline")
	ctx, cancel = context.WithCancel(soon(t, "x-wait", "5s"))
	time.AfterFunc(200*time.Millisecond, cancel)
	if _, err := c.UnaryCall(ctx, &pb.SimpleRequest{}); status.Code(err) != codes.Canceled {
		t.Errorf("cancelled: %v", err)
	}
	hears("a call that was cancelled")
	ctx, cancel = context.WithCancel(soon(t))
	both, err := c.FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := both.Recv(); err != nil {
		t.Error(err)
	}
	cancel()
	if _, err := both.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("cancelled stream: %v", err)
	}
	hears("a stream that was cancelled")
	// A client without a clock of its own is answered by the gate.
	if _, err := c.UnaryCall(metadata.AppendToOutgoingContext(soon(t), "x-wait", "20ms"), &pb.SimpleRequest{}); err != nil {
		t.Errorf("within the deadline: %v", err)
	}
}

func testStandardServices(t *testing.T, conn *grpc.ClientConn, server *callee) {
	h := grpc_health_v1.NewHealthClient(conn)
	if r, err := h.Check(soon(t), &grpc_health_v1.HealthCheckRequest{}); err != nil || r.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", r, err)
	}
	watch, err := h.Watch(soon(t), &grpc_health_v1.HealthCheckRequest{Service: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []grpc_health_v1.HealthCheckResponse_ServingStatus{3, 1, 2} {
		if want != 3 {
			server.health.SetServingStatus("x", want)
		}
		if r, err := watch.Recv(); err != nil || r.Status != want && want != 3 {
			t.Fatalf("watch: %v, want %v, %v", r, want, err)
		}
	}
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	ask := &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}
	for range 3 {
		if err := stream.Send(ask); err != nil {
			t.Fatal(err)
		}
		if r, err := stream.Recv(); err != nil || len(r.GetListServicesResponse().GetService()) < 3 {
			t.Fatalf("reflection: %v, %v", r, err)
		}
	}
}

// TestGRPCThousandStreams opens a thousand streams and uses all of them at once.
func TestGRPCThousandStreams(t *testing.T) {
	s := newStage(t)
	server := startCallee(t, "plain", "127.0.0.1", 0, nil)
	s.settings = []string{"http2-max-concurrent-streams: 600", "ssl-redirect: false"}
	s.add(endpoints("plain", server.port, "127.0.0.1"),
		ing{name: "plain", host: "plain.test", paths: []string{"/ Prefix plain"}, notes: []string{"backend-protocol: GRPC"}}.String())
	s.start()
	clients := []pb.TestServiceClient{
		pb.NewTestServiceClient(dialGate(t, s, "plain.test", false)), pb.NewTestServiceClient(dialGate(t, s, "plain.test", true)),
	}
	var streams []pb.TestService_FullDuplexCallClient
	for i := range 1000 {
		c, err := clients[i%2].FullDuplexCall(soon(t, "x-there", fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, c)
	}
	var all sync.WaitGroup
	for i, c := range streams {
		all.Go(func() {
			if r, err := c.Recv(); err != nil || string(r.GetPayload().GetBody()) != fmt.Sprint("hello ", i) {
				t.Errorf("stream %d: %v", i, err)
				return
			}
			for n := range 5 {
				_ = c.Send(&pb.StreamingOutputCallRequest{Payload: body(n * 1000)})
				if r, err := c.Recv(); err != nil || len(r.GetPayload().GetBody()) != n*1000 {
					t.Errorf("stream %d: message %d: %v", i, n, err)
					return
				}
			}
			_ = c.CloseSend()
			if _, err := c.Recv(); status.Code(err) != codes.DataLoss {
				t.Errorf("stream %d: end: %v", i, err)
			}
		})
	}
	all.Wait()
}

// TestGRPCCancelledCallsEndAtOnce cancels calls that have waited for more than a second, over cleartext and TLS: the server hears of
// each without waiting for anybody to look.
func TestGRPCCancelledCallsEndAtOnce(t *testing.T) {
	s := newStage(t)
	server := startCallee(t, "plain", "127.0.0.1", 0, nil)
	s.settings = []string{"ssl-redirect: false"}
	s.add(endpoints("plain", server.port, "127.0.0.1"),
		ing{name: "plain", host: "plain.test", paths: []string{"/ Prefix plain"}, notes: []string{"backend-protocol: GRPC"}}.String())
	s.start()
	const calls = 15
	var cancels [calls]context.CancelFunc
	var over sync.WaitGroup
	for i := range calls {
		c := pb.NewTestServiceClient(dialGate(t, s, "plain.test", i%2 == 0))
		ctx, cancel := context.WithCancel(soon(t, "x-wait", "15s"))
		cancels[i] = cancel
		over.Go(func() {
			if _, err := c.UnaryCall(ctx, &pb.SimpleRequest{Payload: body(100)}); status.Code(err) != codes.Canceled {
				t.Errorf("call %d: %v", i, err)
			}
		})
	}
	harness.Until(t, 10*time.Second, "all calls arrive", func() bool { return server.calls.Load() == calls })
	time.Sleep(1200 * time.Millisecond) // clients of calls that are older than a second are looked at less often
	var took []time.Duration
	for _, cancel := range cancels {
		begin := time.Now()
		cancel()
		select {
		case <-server.gone:
			took = append(took, time.Since(begin))
		case <-time.After(3 * time.Second):
			t.Fatal("the server does not hear of it")
		}
	}
	over.Wait()
	slices.Sort(took)
	t.Logf("the server hears of it after %v (median), %v at most", took[calls/2], took[calls-1])
	if took[calls/2] > 10*time.Millisecond {
		t.Errorf("the server hears of it after %v", took)
	}
}

// TestGRPCBackendsRestart replaces two endpoints again and again while calls come. None may fail.
func TestGRPCBackendsRestart(t *testing.T) {
	s := newStage(t)
	one := startCallee(t, "one", "127.0.0.1", 0, nil)
	two := startCallee(t, "two", "127.0.0.2", one.port, nil)
	s.settings = []string{"ssl-redirect: false"}
	s.add(endpoints("pods", one.port, "127.0.0.1", "127.0.0.2"),
		ing{name: "pods", host: "pods.test", paths: []string{"/ Prefix pods"}, notes: []string{"backend-protocol: GRPC"}}.String())
	s.start()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var calls, failed atomic.Int64
	var load sync.WaitGroup
	for i := range 16 {
		c := pb.NewTestServiceClient(dialGate(t, s, "pods.test", i%2 == 0))
		load.Go(func() {
			for ctx.Err() == nil {
				if _, err := c.UnaryCall(soon(t, "x-wait", "2ms"), &pb.SimpleRequest{Payload: body(i * 100)}); err != nil {
					failed.Add(1)
					t.Errorf("call %d: %v", calls.Load(), err)
				}
				calls.Add(1)
			}
		})
	}
	for i := range 20 {
		before := calls.Load()
		[]*callee{one, two}[i%2].restart(t)
		for deadline := time.Now().Add(5 * time.Second); calls.Load() < before+100 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
	}
	cancel()
	load.Wait()
	t.Logf("%d calls through 20 restarts, %d failed; %d to one, %d to two", calls.Load(), failed.Load(), one.calls.Load(), two.calls.Load())
}
