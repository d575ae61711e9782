package process

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"msdev/runner"
)

// probeOf is the test that x-msdev.ready asks for, or nil where it has none that asks.
func (r *Runtime) probeOf(in *instance, t templates, ready runner.Ready) func(context.Context) (string, error) {
	at := func(target int) string {
		port, err := t.Port(target)
		if err != nil { // a readiness port is always declared
			port = target
		}
		return net.JoinHostPort(loopback, strconv.Itoa(port))
	}
	switch {
	case ready.HTTP != "":
		port, path := portIn(ready.HTTP)
		return func(ctx context.Context) (string, error) { return answersHTTP(ctx, "http://"+at(port)+path) }
	case ready.GRPC > 0:
		return func(ctx context.Context) (string, error) { return serves(ctx, at(ready.GRPC)) }
	case ready.TCP > 0:
		return func(ctx context.Context) (string, error) { return "", accepts(ctx, at(ready.TCP)) }
	case len(ready.Exec) > 0:
		return r.asking(in, ready.Exec)
	}
	return nil
}

// answersHTTP is content with any status below 400.
func answersHTTP(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return "", err
	}
	transport := &http.Transport{DisableKeepAlives: true} // no proxy: it is this machine
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxTestOutput))
	if resp.StatusCode >= http.StatusBadRequest {
		return string(body), fmt.Errorf("%s answers %s", url, resp.Status)
	}
	return string(body), nil
}

// serves asks by the gRPC health checking protocol (grpc.health.v1). A server without it is content to be reached.
func serves(ctx context.Context, addr string) (string, error) {
	conn, err := grpc.NewClient("passthrough:///"+addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	switch {
	case status.Code(err) == codes.Unimplemented:
		return "it has no health service", nil
	case err != nil:
		return "", err
	case answer.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING:
		return "", fmt.Errorf("%s says %s", addr, answer.GetStatus())
	}
	return answer.GetStatus().String(), nil
}

// accepts tells whether somebody takes connections.
func accepts(ctx context.Context, addr string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// allOpen tells whether every TCP port of a service takes connections; nil where it has none.
func allOpen(list []endpoint) func(context.Context) (string, error) {
	var addrs []string
	for _, e := range list {
		if e.protocol == "tcp" {
			addrs = append(addrs, net.JoinHostPort(loopback, strconv.Itoa(e.listens())))
		}
	}
	if len(addrs) == 0 {
		return nil
	}
	return func(ctx context.Context) (string, error) {
		for _, addr := range addrs {
			if err := accepts(ctx, addr); err != nil {
				return "", err
			}
		}
		return "", nil
	}
}
