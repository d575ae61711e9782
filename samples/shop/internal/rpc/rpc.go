// Package rpc serves and calls gRPC the way every service of the shop does: traced, with the health
// service and reflection, drained at the end.
package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"shop/internal/trace"
)

// drain is how long calls in flight may take once the service is told to stop.
const drain = 8 * time.Second

// NewServer returns a server that continues its callers' traces and logs the calls that fail for no
// fault of the caller's.
func NewServer(log *slog.Logger) *grpc.Server {
	return grpc.NewServer(grpc.WaitForHandlers(true), grpc.UnaryInterceptor(
		func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			ctx = trace.Continue(ctx, func(header string) string {
				if v := md.Get(header); len(v) > 0 {
					return v[0]
				}
				return ""
			})
			resp, err := next(ctx, req)
			switch status.Code(err) {
			case codes.Unknown, codes.Internal, codes.Unavailable, codes.DeadlineExceeded, codes.DataLoss:
				log.ErrorContext(ctx, "call failed", "method", info.FullMethod, "error", err.Error())
			}
			return resp, err
		}))
}

// Listen serves srv on addr until ctx ends.
func Listen(ctx context.Context, addr string, srv *grpc.Server, log *slog.Logger) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	log.Info("listening", "addr", l.Addr().String(), "protocol", "grpc")
	return Serve(ctx, l, srv)
}

// Serve answers on l, with health and reflection beside what is registered. When ctx ends it reports
// itself as not serving and lets the calls in flight finish.
func Serve(ctx context.Context, l net.Listener, srv *grpc.Server) error {
	h := health.NewServer()
	grpc_health_v1.RegisterHealthServer(srv, h)
	reflection.Register(srv)
	drained := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(drained)
		h.Shutdown()
		late := time.AfterFunc(drain, srv.Stop)
		defer late.Stop()
		srv.GracefulStop()
	})
	if err := srv.Serve(l); err != nil {
		if stop() {
			return err // it never came to the drain
		}
	}
	<-drained
	return nil
}

// Dial returns a connection, made when first used, that sends the current span along with each call.
// After a loss it comes back within about two seconds, as services restart often here.
func Dial(addr string) (*grpc.ClientConn, error) {
	return grpc.NewClient(addr,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 2 * time.Second,
		}),
		grpc.WithUnaryInterceptor(func(ctx context.Context, method string, req, reply any,
			cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			var headers []string
			trace.Inject(ctx, func(header, value string) { headers = append(headers, header, value) })
			return invoke(metadata.AppendToOutgoingContext(ctx, headers...), method, req, reply, cc, opts...)
		}))
}

// Probe asks the health service at addr.
func Probe(ctx context.Context, addr string) error {
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer cc.Close()
	resp, err := grpc_health_v1.NewHealthClient(cc).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		return err
	}
	if resp.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("%s is %s", addr, resp.Status)
	}
	return nil
}
