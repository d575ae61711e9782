package rabbit

import (
	"errors"
	"fmt"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestDecide(t *testing.T) {
	failed := errors.New("carrier timed out")
	tests := []struct {
		name    string
		err     error
		attempt int
		want    verdict
	}{
		{"handled", nil, 1, done},
		{"handled at the last attempt", nil, 3, done},
		{"failed once", failed, 1, retry},
		{"failed twice", failed, 2, retry},
		{"failed at the last attempt", failed, 3, bury},
		{"failed beyond the last attempt", failed, 7, bury},
		{"cannot be mended", Permanent(failed), 1, bury},
		{"cannot be mended, wrapped", fmt.Errorf("reading: %w", Permanent(failed)), 1, bury},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := decide(tt.err, tt.attempt, 3); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
	if !errors.Is(Permanent(failed), failed) {
		t.Error("Permanent hides its cause")
	}
}

func TestRejections(t *testing.T) {
	death := func(queue, reason string, count int64) amqp.Table {
		return amqp.Table{"queue": queue, "reason": reason, "count": count}
	}
	tests := []struct {
		name    string
		headers amqp.Table
		want    int
	}{
		{"no headers", nil, 0},
		{"no deaths", amqp.Table{"traceparent": "x"}, 0},
		{"came back twice", amqp.Table{"x-death": []any{
			death("shipping.retry", "expired", 2), death("shipping", "rejected", 2)}}, 2},
		{"another queue's", amqp.Table{"x-death": []any{death("notifications", "rejected", 4)}}, 0},
		{"expired, not rejected", amqp.Table{"x-death": []any{death("shipping", "expired", 4)}}, 0},
		{"of another shape", amqp.Table{"x-death": "yes"}, 0},
		{"entries of another shape", amqp.Table{"x-death": []any{"yes", amqp.Table{}}}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := rejections(tt.headers, Shipping); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
