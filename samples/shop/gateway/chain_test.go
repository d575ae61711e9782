package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"shop/internal/event"
	"shop/internal/rpc"
	"shop/internal/shopv1"
	"shop/internal/trace"
	"shop/inventory/stock"
	"shop/orders/ordering"
	"shop/payments/charging"
)

const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"

// chain is the shop without its brokers: HTTP in, gRPC on loopback, and what would be announced.
type chain struct {
	url string

	mu        sync.Mutex
	announced []event.Event
	spans     []trace.Span
	logged    []slog.Record
}

func newChain(t *testing.T) *chain {
	c := &chain{}
	log := slog.New(trace.Handler{Handler: c})

	inventory := serve(t, log, func(s *grpc.Server) {
		shopv1.RegisterInventoryServer(s, stock.New([]stock.Product{{SKU: "mug-blue", PriceCents: 1290, Shelf: 6}}, log))
	})
	payments := serve(t, log, func(s *grpc.Server) {
		shopv1.RegisterPaymentsServer(s, &charging.Server{SlowFor: 10 * time.Millisecond, Log: log})
	})
	orders := serve(t, log, func(s *grpc.Server) {
		shopv1.RegisterOrdersServer(s, ordering.New(shopv1.NewInventoryClient(inventory),
			shopv1.NewPaymentsClient(payments), c.announce, log))
	})
	front := httptest.NewServer(newHandler(shopv1.NewOrdersClient(orders), log))
	t.Cleanup(front.Close)
	c.url = front.URL
	return c
}

// serve runs a service on a port of its own, waits until it is healthy, and returns a connection to it.
func serve(t *testing.T, log *slog.Logger, register func(*grpc.Server)) *grpc.ClientConn {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := rpc.NewServer(log)
	register(srv)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- rpc.Serve(ctx, l, srv) }()
	cc, err := rpc.Dial(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cc.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serving ended with %v", err)
		}
	})
	if err := rpc.Probe(t.Context(), l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return cc
}

func (c *chain) announce(ctx context.Context, e event.Event) {
	span, _ := trace.From(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.announced, c.spans = append(c.announced, e), append(c.spans, span)
}

// chain is also the slog.Handler of all its services.

func (c *chain) Enabled(context.Context, slog.Level) bool { return true }
func (c *chain) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c *chain) WithGroup(string) slog.Handler            { return c }
func (c *chain) Handle(_ context.Context, r slog.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logged = append(c.logged, r)
	return nil
}

// post sends an order under traceID and returns the status and the JSON of the answer.
func (c *chain) post(t *testing.T, body string) (int, map[string]any) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url+"/orders", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(trace.Parent, "00-"+traceID+"-00f067aa0ba902b7-01")
	return answerOf(t, req)
}

func answerOf(t *testing.T, req *http.Request) (int, map[string]any) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got map[string]any
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, got
}

func orderJSON(sku, quantity, card string) string {
	return `{"customer": "ada@example.com", "card": "400000000000` + card + `",
		"lines": [{"sku": "` + sku + `", "quantity": ` + quantity + `}], "ship_to": {"country": "DE", "postcode": "10115"}}`
}

func TestChain(t *testing.T) {
	tests := []struct {
		name, body string
		status     int
		announced  string
		problem    string
	}{
		{"a good order", orderJSON("mug-blue", "2", "0000"), 201, event.Placed, ""},
		{"a slow bank", orderJSON("mug-blue", "2", charging.Slow), 201, event.Placed, ""},
		{"a declined card", orderJSON("mug-blue", "2", charging.Insufficient), 402, event.Declined, "card declined: insufficient funds"},
		{"more than there is", orderJSON("mug-blue", "7", "0000"), 409, "", "mug-blue is out of stock"},
		{"an unknown product", orderJSON("spoon", "1", "0000"), 404, "", `there is no product "spoon"`},
		{"nothing of something", orderJSON("mug-blue", "0", "0000"), 400, "", "quantity must be from 1 to 100"},
		{"no JSON", "hello", 400, "", "the body is no JSON"},
		{"no order", `{"colour": "red"}`, 400, "", "the body is no order"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newChain(t)
			status, got := c.post(t, tt.body)
			if status != tt.status {
				t.Fatalf("got %d %v, want %d", status, got, tt.status)
			}
			if problem, _ := got["error"].(string); !strings.HasPrefix(problem, tt.problem) {
				t.Errorf("the error is %q, want %q", problem, tt.problem)
			}
			c.checkAnnounced(t, tt.announced)
			c.checkTraces(t)
		})
	}
}

func (c *chain) checkAnnounced(t *testing.T, want string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if want == "" {
		if len(c.announced) > 0 {
			t.Errorf("announced %v, want nothing", c.announced)
		}
		return
	}
	if len(c.announced) != 1 || c.announced[0].Type != want || c.announced[0].TotalCents != 3070 {
		t.Fatalf("announced %+v, want one %s of 30.70", c.announced, want)
	}
	if c.spans[0].TraceID != traceID {
		t.Errorf("announced under trace %s", c.spans[0].TraceID)
	}
}

// checkTraces wants every line that any service logged to carry the trace the customer began.
func (c *chain) checkTraces(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.logged) == 0 {
		t.Error("nothing was logged")
	}
	for _, r := range c.logged {
		found := ""
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "trace_id" {
				found = a.Value.String()
			}
			return true
		})
		if found != traceID {
			t.Errorf("%q was logged under trace %q", r.Message, found)
		}
	}
}

func TestADeclinedOrderGivesItsStockBack(t *testing.T) {
	c := newChain(t)
	for range 3 { // 6 mugs in all: without the stock back, the second order finds too few
		if status, got := c.post(t, orderJSON("mug-blue", "4", charging.Expired)); status != 402 {
			t.Fatalf("got %d %v", status, got)
		}
	}
	if status, got := c.post(t, orderJSON("mug-blue", "6", "0000")); status != 201 {
		t.Errorf("got %d %v", status, got)
	}
}

func TestAPlacedOrderCanBeFound(t *testing.T) {
	c := newChain(t)
	_, placed := c.post(t, orderJSON("mug-blue", "2", "0000"))
	for id, want := range map[string]int{placed["id"].(string): 200, "nothere": 404} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+"/orders/"+id, nil)
		if err != nil {
			t.Fatal(err)
		}
		status, got := answerOf(t, req)
		if status != want || status == 200 && got["total_cents"] != "3070" {
			t.Errorf("order %s: got %d %v, want %d", id, status, got, want)
		}
	}
}
