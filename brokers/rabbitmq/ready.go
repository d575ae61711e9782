package rabbitmq

import (
	"context"

	"msdev/brokers/wire"
)

// Ready tells how many messages the queue has now that nobody holds.
func (h *held) Ready(ctx context.Context) (int64, error) {
	ok, err := call[*wire.QueueDeclareOk](ctx, h.ch, &wire.QueueDeclare{Queue: h.queue, Passive: true})
	if err != nil {
		return 0, err
	}
	return int64(ok.MessageCount), nil
}
