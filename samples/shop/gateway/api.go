package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"shop/internal/shopv1"
	"shop/internal/trace"
	"shop/internal/web"
)

const (
	callTimeout = 5 * time.Second
	maxBody     = 64 << 10
)

// api turns HTTP/JSON into gRPC. The JSON is protobuf's, with the field names of the .proto files.
type api struct{ orders shopv1.OrdersClient }

func newHandler(orders shopv1.OrdersClient, log *slog.Logger) http.Handler {
	a := api{orders}
	traced := http.NewServeMux()
	traced.HandleFunc("POST /orders", a.placeOrder)
	traced.HandleFunc("GET /orders/{id}", a.getOrder)

	var health web.Health
	health.Set(true)
	mux := http.NewServeMux()
	mux.Handle("GET /healthz", &health)
	mux.Handle("/", web.Traced(traced, log))
	return mux
}

func (a api) placeOrder(w http.ResponseWriter, r *http.Request) {
	var body json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&body); err != nil {
		fail(w, r, status.Errorf(codes.InvalidArgument, "the body is no JSON: %v", err))
		return
	}
	req := &shopv1.PlaceOrderRequest{}
	if err := protojson.Unmarshal(body, req); err != nil {
		fail(w, r, status.Errorf(codes.InvalidArgument, "the body is no order: %v", err))
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	defer cancel()
	order, err := a.orders.PlaceOrder(ctx, req)
	if err != nil {
		fail(w, r, err)
		return
	}
	w.Header().Set("Location", "/orders/"+order.Id)
	answer(w, http.StatusCreated, order)
}

func (a api) getOrder(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	defer cancel()
	order, err := a.orders.GetOrder(ctx, &shopv1.GetOrderRequest{Id: r.PathValue("id")})
	if err != nil {
		fail(w, r, err)
		return
	}
	answer(w, http.StatusOK, order)
}

func answer(w http.ResponseWriter, status int, m proto.Message) {
	body, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that is gone needs no answer
}

// fail answers with the call's error and the trace under which to look for it.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	span, _ := trace.From(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(httpStatus(status.Code(err)))
	_ = json.NewEncoder(w).Encode(map[string]string{
		"error": status.Convert(err).Message(), "trace_id": span.TraceID})
}

func httpStatus(c codes.Code) int {
	switch c {
	case codes.InvalidArgument:
		return http.StatusBadRequest
	case codes.Aborted:
		return http.StatusPaymentRequired
	case codes.NotFound:
		return http.StatusNotFound
	case codes.FailedPrecondition:
		return http.StatusConflict
	case codes.Unavailable:
		return http.StatusServiceUnavailable
	case codes.DeadlineExceeded:
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}
