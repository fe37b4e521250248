package e2e

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// callKinds are calls of every kind. Each returns how it ended, and what the server said of itself.
var callKinds = []struct {
	name string
	call func(ctx context.Context, c pb.TestServiceClient) (metadata.MD, error)
}{
	{"unary", func(ctx context.Context, c pb.TestServiceClient) (header metadata.MD, err error) {
		_, err = c.UnaryCall(ctx, &pb.SimpleRequest{Payload: body(10)}, grpc.Header(&header))
		return header, err
	}},
	{"stream from the server", func(ctx context.Context, c pb.TestServiceClient) (metadata.MD, error) {
		s, err := c.StreamingOutputCall(ctx, &pb.StreamingOutputCallRequest{ResponseParameters: []*pb.ResponseParameters{{Size: 5}, {Size: 6}}})
		if err != nil {
			return nil, err
		}
		for err == nil {
			_, err = s.Recv()
		}
		header, _ := s.Header()
		return header, ended(err)
	}},
	// The client has more to say than any window takes: a guard that refuses it must not leave it waiting.
	{"stream to the server", func(ctx context.Context, c pb.TestServiceClient) (metadata.MD, error) {
		s, err := c.StreamingInputCall(ctx)
		if err != nil {
			return nil, err
		}
		for i := 0; i < 300 && err == nil; i++ {
			err = s.Send(&pb.StreamingInputCallRequest{Payload: body(10_000)})
		}
		if _, err = s.CloseAndRecv(); err != nil { // io.EOF of Send says that the reason is to be received
			return nil, err
		}
		header, _ := s.Header()
		return header, nil
	}},
	{"streams both ways", func(ctx context.Context, c pb.TestServiceClient) (metadata.MD, error) {
		s, err := c.FullDuplexCall(ctx)
		if err != nil {
			return nil, err
		}
		if _, err := s.Recv(); err != nil {
			return nil, err
		}
		header, _ := s.Header()
		_ = s.CloseSend()
		_, err = s.Recv()
		if status.Code(err) == codes.DataLoss { // which is how the server ends it
			err = nil
		}
		return header, err
	}},
}

// ended returns what is wrong with the end of a stream.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// guardCases are guards, and what comes of calls of every kind.
var guardCases = []struct {
	name  string
	notes []string // AUTH stands for the address of the authorization service
	pairs []string // metadata of the client
	want  string
	seen  string // what the server saw of X-Auth-User and X-Auth-Groups, if the call arrived
}{
	{"basic", []string{"auth-type: basic", "auth-secret: users", "auth-realm: r"}, nil, "Unauthenticated: 401 Unauthorized", ""},
	{"basic", nil, []string{"authorization", "Basic YWxpY2U6d3Jvbmc="}, "Unauthenticated: 401 Unauthorized", ""},
	{"basic", nil, []string{"authorization", "Basic YWxpY2U6c2VjcmV0"}, "OK: ", ";"},
	{"asked200", []string{"auth-url: AUTH/200/user", "auth-response-headers: X-Auth-User, X-Auth-Groups"}, []string{"x-auth-user", "mallory"}, "OK: ", "alice;dev, ops"},
	{"asked401", []string{"auth-url: AUTH/401"}, nil, "Unauthenticated: 401 Unauthorized", ""},
	{"asked403", []string{"auth-url: AUTH/403"}, nil, "PermissionDenied: 403 Forbidden", ""},
	{"asked503", []string{"auth-url: AUTH/503"}, nil, "Unknown: 500 Internal Server Error", ""},
	{"askednobody", []string{"auth-url: http://127.0.0.1:1/"}, nil, "Unknown: 500 Internal Server Error", ""},
	{"askedslowly", []string{"auth-url: AUTH/403/slow"}, nil, "PermissionDenied: 403 Forbidden", ""},
	{"token", []string{"auth-url: AUTH/session", "auth-response-headers: X-Auth-User"}, []string{"authorization", "Bearer good"}, "OK: ", "bob;"},
	{"token", nil, []string{"authorization", "Bearer bad"}, "Unauthenticated: 401 Unauthorized", ""},
	{"jwtwithout", []string{"jwt-issuer: x", "jwt-jwks-uri: AUTH/503"}, nil, "Unauthenticated: 401 Unauthorized", ""},
	{"jwtforged", []string{"jwt-issuer: x", "jwt-jwks-uri: AUTH/503"}, []string{"authorization", "Bearer a.b.c"}, "Unauthenticated: 401 Unauthorized", ""},
	{"jwtnokeys", []string{"jwt-issuer: x", "jwt-jwks-uri: AUTH/503"}, []string{"authorization", "Bearer eyJhbGciOiJFUzI1NiJ9.e30.AAAA"}, "Unavailable: 503 Service Unavailable", ""},
	{"signin", []string{"auth-url: AUTH/401", "auth-signin: https://login.test/"}, nil, "Unknown: 302 Found: https://login.test/", ""},
	{"allowed", []string{"whitelist-source-range: 127.0.0.0/8"}, nil, "OK: ", ";"},
	{"elsewhere", []string{"whitelist-source-range: 10.0.0.0/8"}, nil, "PermissionDenied: 403 Forbidden", ""},
	{"denied", []string{"denylist-source-range: 127.0.0.1/32"}, nil, "PermissionDenied: 403 Forbidden", ""},
	{"broken", []string{"auth-type: basic", "auth-secret: nobody"}, nil, "Unavailable: 503 Service Unavailable", ""},
}

// TestGRPCBehindGuards makes calls of every kind to routes that something guards.
func TestGRPCBehindGuards(t *testing.T) {
	s := newStage(t)
	server := startCallee(t, "pods", "127.0.0.1", 0, nil)
	auth := newAuthServer(t)
	s.settings = []string{"ssl-redirect: false", "proxy-body-size: 0"}
	s.add(endpoints("pods", server.port, "127.0.0.1"), secret("users", "auth: alice:{PLAIN}secret"))
	for _, c := range guardCases {
		if c.notes == nil {
			continue // one of those before it with other metadata
		}
		var notes []string
		for _, note := range append(c.notes, "backend-protocol: GRPC") {
			notes = append(notes, strings.ReplaceAll(note, "AUTH", auth.url))
		}
		s.add(ing{name: c.name, host: c.name + ".test", paths: []string{"/ Prefix pods"}, notes: notes}.String())
	}
	s.start()
	for i, tt := range guardCases {
		conn := dialGate(t, s, tt.name+".test", i%2 == 1)
		for _, kind := range callKinds {
			t.Run(fmt.Sprintf("%s %q %s", tt.name, tt.pairs, kind.name), func(t *testing.T) {
				before := server.begun.Load()
				header, err := kind.call(soon(t, tt.pairs...), pb.NewTestServiceClient(conn))
				if got := told(err); got != tt.want && !(tt.name == "signin" && strings.HasPrefix(got, tt.want)) {
					t.Errorf("ends with %q, want %q", got, tt.want)
				}
				if arrived := server.begun.Load() > before; arrived != (err == nil) {
					t.Errorf("the call has arrived: %v", arrived)
				}
				if err == nil && (first(header, "x-auth-seen") != tt.seen || tt.name == "basic" && first(header, "x-authorization-seen") != "") {
					t.Errorf("the server saw %q", header)
				}
			})
		}
	}
}

// TestGRPCGuardsWithinTheCall is about what stops a call that has begun, or calls that have become too many.
func TestGRPCGuardsWithinTheCall(t *testing.T) {
	s := newStage(t)
	server := startCallee(t, "pods", "127.0.0.1", 0, nil)
	s.settings = []string{"ssl-redirect: false", "limit-req-status-code: 429"}
	s.add(endpoints("pods", server.port, "127.0.0.1"))
	for name, notes := range map[string][]string{
		"small": {"proxy-body-size: 100k"}, "rate": {"limit-rpm: 1", "limit-burst-multiplier: 2"}, "many": {"limit-connections: 3"},
	} {
		s.add(ing{name: name, host: name + ".test", paths: []string{"/ Prefix pods"}, notes: append(notes, "backend-protocol: GRPC")}.String())
	}
	s.start()
	for _, overTLS := range []bool{false, true} {
		t.Run(fmt.Sprintf("a stream that becomes too long, over TLS %v", overTLS), func(t *testing.T) {
			c := pb.NewTestServiceClient(dialGate(t, s, "small.test", overTLS))
			begin := time.Now()
			_, err := callKinds[2].call(soon(t), c)
			if got := told(err); got != "ResourceExhausted: 413 Request Entity Too Large" {
				t.Errorf("ends with %q", got)
			}
			both, err := c.FullDuplexCall(soon(t))
			if err != nil {
				t.Fatal(err)
			}
			for err == nil { // the response has begun: the status comes as a trailer
				if err = both.Send(&pb.StreamingOutputCallRequest{Payload: body(10_000)}); err == nil {
					_, err = both.Recv()
				}
			}
			if errors.Is(err, io.EOF) {
				_, err = both.Recv()
			}
			if got := told(err); got != "ResourceExhausted: request too large" || time.Since(begin) > 5*time.Second {
				t.Errorf("both ways: ends with %q after %v", got, time.Since(begin))
			}
		})
	}
	for _, kind := range callKinds {
		t.Run("too many calls, "+kind.name, func(t *testing.T) {
			c := pb.NewTestServiceClient(dialGate(t, s, "rate.test", true))
			var err error
			for range 5 {
				_, err = kind.call(soon(t), c)
			}
			if told(err) != "Unavailable: 429 Too Many Requests" {
				t.Errorf("the fifth call ends with %q", told(err))
			}
		})
	}
	t.Run("a fourth stream at the same time", func(t *testing.T) {
		c := pb.NewTestServiceClient(dialGate(t, s, "many.test", false))
		var open []pb.TestService_FullDuplexCallClient
		for range 3 {
			both, err := c.FullDuplexCall(soon(t))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := both.Recv(); err != nil {
				t.Fatal(err)
			}
			open = append(open, both)
		}
		if _, err := callKinds[2].call(soon(t), c); told(err) != "Unavailable: 503 Service Unavailable" {
			t.Errorf("beside three: %q", told(err))
		}
		_ = open[0].CloseSend()
		if _, err := open[0].Recv(); status.Code(err) != codes.DataLoss {
			t.Error(err)
		}
		if _, err := callKinds[0].call(soon(t), c); err != nil {
			t.Errorf("beside two: %v", err)
		}
	})
}

// TestGRPCCanary sends calls to a canary by header, cookie and weight.
func TestGRPCCanary(t *testing.T) {
	s := newStage(t)
	a, b := startCallee(t, "a", "127.0.0.1", 0, nil), startCallee(t, "b", "127.0.0.1", 0, nil)
	s.settings = []string{"ssl-redirect: false", "proxy-body-size: 0"}
	rules := []struct {
		name  string
		notes []string
		cases []string // "key value => who answers"
	}{
		{"header", []string{"canary-by-header: X-Canary"}, []string{" => a", "x-canary always => b", "x-canary never => a"}},
		{"value", []string{"canary-by-header: X-Canary", "canary-by-header-value: v2"}, []string{" => a", "x-canary v2 => b", "x-canary v1 => a"}},
		{"cookie", []string{"canary-by-cookie: pick"}, []string{" => a", "cookie pick=always => b", "cookie x=y; pick=never => a"}},
		{"all", []string{"canary-weight: 100", "canary-by-cookie: pick"}, []string{" => b", "cookie pick=never => a"}},
		{"some", []string{"canary-weight: 30"}, nil},
	}
	for _, r := range rules { // Services of their own, since canaries belong to Services
		grpc := "backend-protocol: GRPC"
		s.add(endpoints("a-"+r.name, a.port, "127.0.0.1"), endpoints("b-"+r.name, b.port, "127.0.0.1"),
			ing{name: r.name, host: r.name + ".test", paths: []string{"/ Prefix a-" + r.name}, notes: []string{grpc}, age: 2}.String(),
			ing{name: r.name + "-canary", host: r.name + ".test", paths: []string{"/ Prefix b-" + r.name}, notes: append(r.notes, grpc, "canary: true")}.String())
	}
	s.start()
	for i, r := range rules {
		c := pb.NewTestServiceClient(dialGate(t, s, r.name+".test", i%2 == 0))
		for _, text := range r.cases {
			in, want, _ := strings.Cut(text, "=> ")
			var pairs []string
			if key, value, ok := strings.Cut(strings.TrimSpace(in), " "); ok {
				pairs = []string{key, value}
			}
			for _, kind := range callKinds {
				header, err := kind.call(soon(t, pairs...), c)
				if got := cmp.Or(first(header, "x-name"), told(err)); got != want {
					t.Errorf("%s: %s, %s: %s", r.name, text, kind.name, got)
				}
			}
		}
	}
	c := pb.NewTestServiceClient(dialGate(t, s, "some.test", true))
	for _, kind := range slices.Concat(callKinds[:2], callKinds[3:]) {
		const calls = 1000
		n := 0
		for range calls {
			header, err := kind.call(soon(t), c)
			if err != nil {
				t.Fatal(err)
			}
			if first(header, "x-name") == "b" {
				n++
			}
		}
		if t.Logf("%s: %d of %d calls to a canary of 30 %%", kind.name, n, calls); n < calls*24/100 || n > calls*36/100 {
			t.Errorf("%s: %d of %d calls went to a canary of 30 %%", kind.name, n, calls)
		}
	}
}
