package main

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"syscall"

	"msdev/testenv"
)

const projectLabel = "com.docker.compose.project"

// sweep removes what nobody uses any more: images that newer ones took the names of, and what killed tests left on the
// engines, that is containers, networks and volumes whose name or label says the process that made them, when there is no
// such process any more. It is help, so it reports nothing.
func (m *machine) sweep(ctx context.Context, engines []testenv.Engine) {
	for _, about := range engines {
		e := engine{about.Host}
		_ = e.run(ctx, io.Discard, "image", "prune", "--force", "--filter", "label="+keyLabel)
		for _, kind := range [][]string{
			{"ps", "--all", "--format", `{{.ID}} {{.Label "` + projectLabel + `"}} {{.Label "` + testenv.OwnerLabel + `"}}`},
			{"network", "ls", "--format", `{{.ID}} {{.Label "` + projectLabel + `"}} `},
			{"volume", "ls", "--format", `{{.Name}} {{.Label "` + projectLabel + `"}} `},
		} {
			out, err := output(ctx, "docker", e.args(kind...)...)
			if err != nil {
				continue
			}
			for _, id := range ownerless(out, alive) {
				remove := map[string][]string{
					"ps":      {"rm", "--force", "--volumes", id},
					"network": {"network", "rm", id},
					"volume":  {"volume", "rm", "--force", id},
				}[kind[0]]
				_ = e.run(ctx, io.Discard, remove...)
			}
		}
	}
}

// ownerless picks, out of lines of "ID PROJECT OWNER", the ids of what belongs to a process that is gone.
func ownerless(lines string, alive func(pid int) bool) []string {
	var ids []string
	for line := range strings.Lines(lines) {
		parts := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(parts) != 3 {
			continue
		}
		pid, err := strconv.Atoi(parts[2])
		if err != nil {
			var ok bool
			if pid, ok = testenv.ProjectOwner(parts[1]); !ok {
				continue
			}
		}
		if !alive(pid) {
			ids = append(ids, parts[0])
		}
	}
	return ids
}

func alive(pid int) bool {
	return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
