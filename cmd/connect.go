package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"msdev/runner"
	"msdev/session"
)

// history is how many lines from before a session reads of each instance that it finds.
const history = 10_000

// options are the project's load options with what the user's shell knows.
func (a *app) options() (runner.LoadOptions, error) {
	o := a.project
	o.Environ = a.environ
	wd, err := os.Getwd()
	if err != nil {
		return o, &runner.Error{Kind: runner.ErrUsage, Msg: "the working directory cannot be told: " + err.Error(), Hint: "Change to a folder that exists.", Err: err}
	}
	o.WorkDir = wd
	return o, nil
}

// load reads the project and prints its warnings.
func (a *app) load(ctx context.Context) (*runner.Project, runner.LoadOptions, error) {
	o, err := a.options()
	if err != nil {
		return nil, o, err
	}
	p, err := runner.Load(ctx, o)
	if err != nil {
		return nil, o, err
	}
	a.warn(p.Warnings...)
	return p, o, nil
}

// dial connects to the project's session. The files are read no further than to learn the project's name, so that a running
// session can be reached although they have become wrong.
func (a *app) dial(ctx context.Context) (*session.Client, error) {
	o, err := a.options()
	if err != nil {
		return nil, err
	}
	name, err := runner.ProjectName(o)
	if err != nil {
		return nil, err
	}
	return session.Dial(ctx, name)
}

// connect returns a client of the project's session or, where none runs, of one in this process that has the settings of cfg;
// running tells which. The caller closes it.
func (a *app) connect(ctx context.Context, cfg session.Config) (*session.Client, bool, error) {
	return a.reach(ctx, cfg, false)
}

// reach does what connect does; with spawn, a new session gets a process of its own, which goes on for as long as something needs it.
func (a *app) reach(ctx context.Context, cfg session.Config, spawn bool) (c *session.Client, running bool, err error) {
	c, err = a.dial(ctx)
	if !errors.Is(err, session.ErrNoSession) {
		return c, true, err
	}
	if cfg.Load, err = a.found(ctx); err != nil {
		return nil, false, err
	}
	cfg.Runtime = a.runtime
	if spawn {
		c, err = session.Spawn(ctx, cfg)
	} else {
		c, err = session.Local(ctx, cfg, wire)
	}
	return c, false, err
}

// found are the options by which the project is loaded. A project that is named and has no file here is what the engine knows of it.
func (a *app) found(ctx context.Context) (runner.LoadOptions, error) {
	o, err := a.options()
	if err != nil {
		return o, err
	}
	missing := runner.HasFile(o)
	if !errors.Is(missing, runner.ErrNoFile) || o.Name == "" && a.env("COMPOSE_PROJECT_NAME") == "" {
		return o, nil // what else is wrong is told by who loads it
	}
	name, err := runner.ProjectName(o)
	if err != nil {
		return o, err
	}
	if o.Text, err = outlined(ctx, name); err != nil {
		return o, err
	}
	if o.Text == "" {
		return o, &runner.Error{Kind: runner.ErrFailed, Msg: fmt.Sprintf("there is no container of a project %q, and no compose file here", name),
			Hint: "`msdev ls -a` lists all projects; or go to the folder that holds its compose.yaml."}
	}
	return o, nil
}

// with runs f with a client of the project's session, wherever that is. An interrupt ends it.
func (a *app) with(cfg session.Config, f func(ctx context.Context, c *session.Client) error) error {
	return a.withSession(cfg, false, f)
}

func (a *app) withSession(cfg session.Config, spawn bool, f func(ctx context.Context, c *session.Client) error) error {
	ctx, stop := interruptible(context.Background())
	defer stop()
	c, _, err := a.reach(ctx, cfg, spawn)
	if err != nil {
		return err
	}
	return errors.Join(f(ctx, c), c.Close())
}

// services completes the names of services.
func (a *app) services(c *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	o, err := a.options()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	p, err := runner.Load(c.Context(), o)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, name := range p.Names() {
		if !slices.Contains(given, name) {
			names = append(names, name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// service completes the name of one service.
func (a *app) service(c *cobra.Command, given []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return a.services(c, given, word)
}
