package docker

import (
	"context"

	"github.com/compose-spec/compose-go/v2/types"

	"msdev/runner"
)

func (r *Runtime) build(ctx context.Context, s types.ServiceConfig, a runner.Action, report func(runner.Progress)) ([]runner.Observation, error) {
	return nil, nil
}
