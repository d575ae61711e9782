package cmd

import (
	"context"
	"errors"
	"time"

	"msdev/journal"
	"msdev/runner"
	"msdev/session"
)

// pageSize is how many records are asked for at once.
const pageSize = 1000

// reader goes through a session's journal from a cursor on. It pulls: a slow terminal makes it fall behind, which slows nothing
// else, and what the journal gives up meanwhile is counted.
type reader struct {
	client *session.Client
	query  session.RecordQuery // Cursor is where it stands
}

// drain hands over all records that are there now, page by page.
func (r *reader) drain(ctx context.Context, take func(records []journal.Record, lost uint64) error) error {
	r.query.Limit = pageSize
	for {
		page, err := r.client.Records(ctx, r.query)
		if err != nil {
			return err
		}
		r.query.Cursor, r.query.Since = max(page.Next, r.query.Cursor), time.Time{}
		if len(page.Records) > 0 || page.Lost > 0 {
			if err := take(page.Records, page.Lost); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
	}
}

// follow drains again whenever the journal has grown, until ctx ends or the session is gone, which is no error.
func (r *reader) follow(ctx context.Context, take func(records []journal.Record, lost uint64) error) error {
	for {
		if err := r.drain(ctx, take); err != nil {
			return gone(ctx, err)
		}
		if _, err := r.client.Wait(ctx, r.query.Cursor); err != nil {
			return gone(ctx, err)
		}
	}
}

// gone tells the end of a session from an error.
func gone(ctx context.Context, err error) error {
	var e *runner.Error
	if ended := ctx.Err() != nil || errors.As(err, &e) && e.Kind == runner.ErrEngine; !ended {
		return err
	}
	return nil
}

// end is the cursor after the last record of a session's journal.
func end(ctx context.Context, c *session.Client) (uint64, error) {
	page, err := c.Records(ctx, session.RecordQuery{Before: true, Limit: 1})
	if err != nil || len(page.Records) == 0 {
		return 0, err
	}
	return page.Records[len(page.Records)-1].Seq, nil
}
