package cmd

import (
	"context"

	"msdev/brokers"
	"msdev/brokers/decode"
	"msdev/tui"
)

var _ tui.BrokerSource = (*source)(nil)

// Brokers waits for the session, like all that a screen asks before it is there.
func (s *source) Brokers(ctx context.Context) ([]brokers.Info, error) {
	c, err := s.wait(ctx)
	if err != nil {
		return nil, err
	}
	return c.Brokers(ctx)
}

// Broker is one of those that Brokers has told, so that the session is there.
func (s *source) Broker(info brokers.Info) brokers.Broker { return s.client.Broker(info) }

// Schemas waits for the session.
func (s *source) Schemas(ctx context.Context) (*decode.Schemas, error) {
	c, err := s.wait(ctx)
	if err != nil {
		return nil, err
	}
	return c.Schemas(ctx)
}

// Note puts a sentence about a broker into the journal.
func (s *source) Note(ctx context.Context, broker, text string) error {
	c, err := s.wait(ctx)
	if err != nil {
		return err
	}
	return c.Note(ctx, broker, text)
}

// Tap lets messages into the journal as soon as there is a session.
func (s *source) Tap(ctx context.Context, o brokers.TapOptions) error {
	c, err := s.wait(ctx)
	if err != nil {
		return err
	}
	return c.Tap(ctx, o)
}
