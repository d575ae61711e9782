package cmd

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"
)

// relay is what this program is inside a container of the project's networks: the ways between what runs there and what does not.
// It ends with its input.
func (a *app) relay(ctx context.Context) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := runRelay(ctx, a.in, a.out); err != nil && ctx.Err() == nil {
		fmt.Fprintln(a.err, err)
		return exitFailed
	}
	return exitDone
}

// erase is what this program is inside a container that removes files of another one, whose image has no program for that.
func (a *app) erase() int {
	if err := runEraser(a.in, a.out); err != nil {
		fmt.Fprintln(a.err, err)
		return exitFailed
	}
	return exitDone
}
