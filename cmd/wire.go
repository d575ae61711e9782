package cmd

import (
	"context"
	"fmt"

	"msdev/runner"
	"msdev/runner/docker"
	"msdev/session"
)

// wire is the one list of the runtimes that there are. want is what --runtime says.
func wire(ctx context.Context, p *runner.Project, want string) (session.Launch, error) {
	switch want {
	case "", "auto", "docker":
	default:
		return session.Launch{}, &runner.Error{Kind: runner.ErrUsage, Msg: fmt.Sprintf("there is no runtime %q", want), Hint: "Runtimes are: auto, docker."}
	}
	engine, err := docker.New(ctx, p, docker.Options{})
	if err != nil {
		return session.Launch{}, err
	}
	return session.Launch{
		Runtimes: []runner.Runtime{engine},
		Of:       func(string) string { return engine.Name() },
	}, nil
}
