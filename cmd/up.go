package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msdev/runner"
	"msdev/session"
)

// upOptions are the flags of `up`.
type upOptions struct {
	printerFlags
	session.UpOptions
	timeout      grace
	scale        []string
	waitSeconds  int
	detach       bool
	noScreen     bool
	noWatch      bool
	noDeps       bool
	abort        bool // --abort-on-container-exit
	abortFailure bool // --abort-on-container-failure
	exitFrom     string
	attach       []string
	noAttach     []string
}

func newUp(a *app) *cobra.Command {
	var o upOptions
	c := &cobra.Command{
		Use:   "up [SERVICE...]",
		Short: "Create and start services, and what they depend on",
		Long: `Create and start services, and what they depend on.

On a terminal it opens the screen; elsewhere, or with --no-tui, it prints what services write. Ctrl-C stops them, a second one
kills them; d on the screen detaches, and leaves them running.`,
		Example: `  msdev up                       everything, with the screen
  msdev up -d --wait orders      one service and what it needs; come back when all of it is healthy`,
		ValidArgsFunction: a.services,
		RunE:              func(_ *cobra.Command, services []string) error { return a.up(o, services) },
	}
	flags := c.Flags()
	flags.BoolVarP(&o.detach, "detach", "d", false, "come back when everything was started, and leave it running")
	flags.BoolVar(&o.noScreen, "no-tui", false, "print lines, also on a terminal")
	flags.BoolVar(&o.noWatch, "no-watch", false, "do not watch files; without it, what is saved is built and reloaded, unless -d is given")
	flags.BoolVarP(&o.Watch, "watch", "w", false, "watch files, also with -d")
	flags.BoolVar(&o.Wait, "wait", false, "come back when everything runs and is healthy (implies -d)")
	flags.IntVar(&o.waitSeconds, "wait-timeout", 0, "give up waiting after so many `seconds`")
	flags.BoolVar(&o.Build, "build", false, "build images before starting")
	flags.BoolVar(&o.NoBuild, "no-build", false, "never build an image")
	flags.StringVar(&o.Pull, "pull", "", "pull images: `always`, missing or never (default: each service's own policy)")
	flags.BoolVar(&o.ForceRecreate, "force-recreate", false, "replace containers even if nothing about them changed")
	flags.BoolVar(&o.NoRecreate, "no-recreate", false, "replace no container")
	flags.BoolVar(&o.RecreateDeps, "always-recreate-deps", false, "replace the containers of dependencies too")
	flags.BoolVarP(&o.RenewVolumes, "renew-anon-volumes", "V", false, "give replaced containers new anonymous volumes")
	flags.BoolVar(&o.noDeps, "no-deps", false, "leave dependencies alone")
	flags.BoolVar(&o.RemoveOrphans, "remove-orphans", false, "remove containers of services that are no more in the file")
	flags.StringArrayVar(&o.scale, "scale", nil, "run so many instances: `SERVICE=NUM`")
	o.timeout.register(flags)
	flags.StringVar(&o.exitFrom, "exit-code-from", "", "return the exit code of a `service` (implies --abort-on-container-exit)")
	flags.BoolVar(&o.abort, "abort-on-container-exit", false, "stop everything when any container ends")
	flags.BoolVar(&o.abortFailure, "abort-on-container-failure", false, "stop everything when any container fails")
	flags.BoolVar(&o.DryRun, "dry-run", false, "print what would be done, and do nothing")
	flags.StringArrayVar(&o.attach, "attach", nil, "print the output of these `services` only")
	flags.StringArrayVar(&o.noAttach, "no-attach", nil, "do not print the output of these `services`")
	flags.BoolVar(&o.timestamps, "timestamps", false, "print the time of each line")
	flags.BoolVar(&o.noPrefix, "no-log-prefix", false, "do not print the instance before each line")
	flags.BoolVar(&o.noColor, "no-color", false, "no colours")
	return c
}

// check finds flags that do not go together, and fills in what one flag implies.
func (o *upOptions) check() error {
	if o.exitFrom != "" && !o.abortFailure {
		o.abort = true
	}
	o.detach = o.detach || o.Wait
	aborts := o.abort || o.abortFailure
	for _, clash := range []struct {
		both  bool
		flags string
	}{
		{o.abort && o.abortFailure, "--abort-on-container-exit and --abort-on-container-failure"},
		{o.Watch && o.noWatch, "--watch and --no-watch"},
		{o.detach && aborts, "--detach or --wait and --abort-on-container-exit, --abort-on-container-failure or --exit-code-from"},
		{o.detach && len(o.attach) > 0, "--detach or --wait and --attach"},
		{o.Build && o.NoBuild, "--build and --no-build"},
		{o.ForceRecreate && o.NoRecreate, "--force-recreate and --no-recreate"},
		{o.RecreateDeps && o.NoRecreate, "--always-recreate-deps and --no-recreate"},
		{o.RenewVolumes && o.NoRecreate, "--renew-anon-volumes and --no-recreate"},
	} {
		if clash.both {
			return usageError(clash.flags+" do not go together", "Leave one of them out.")
		}
	}
	if o.waitSeconds < 0 {
		return usageError("--wait-timeout is less than 0", "")
	}
	o.WaitTimeout = time.Duration(o.waitSeconds) * time.Second
	if !slices.Contains([]string{"", "policy", "always", "missing", "never"}, o.Pull) {
		return usageError(fmt.Sprintf("--pull %q is not one of always, missing, never", o.Pull), "")
	}
	o.Pull = strings.TrimPrefix(o.Pull, "policy")
	return o.readScale()
}

// readScale reads --scale SERVICE=NUM.
func (o *upOptions) readScale() error {
	o.Scale = map[string]int{}
	for _, s := range o.scale {
		service, number, _ := strings.Cut(s, "=")
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 {
			return usageError(fmt.Sprintf("--scale %q is not of the form SERVICE=NUM", s), "")
		}
		o.Scale[service] = n
	}
	return nil
}

// up reads the project first, so that what is wrong with it is said before anything starts.
func (a *app) up(o upOptions, services []string) error {
	if err := o.check(); err != nil {
		return err
	}
	ctx := context.Background()
	p, load, err := a.load(ctx)
	if err != nil {
		return err
	}
	if p, err = p.Enable(services); err != nil {
		return err
	}
	selected, err := p.Select(services, o.noDeps)
	if err != nil {
		return err
	}
	for _, name := range slices.Concat(sortedNames(o.Scale), o.attach, o.noAttach) {
		if _, err := p.Service(name); err != nil {
			return err
		}
	}
	if o.exitFrom != "" {
		if _, err := selected.Service(o.exitFrom); err != nil {
			return err
		}
	}
	o.Watch = o.Watch || !o.detach && !o.noWatch && !o.abort && !o.abortFailure
	o.Linger = !o.detach || o.Watch
	r := &run{
		app: a, options: o, project: p, scope: selected.Order,
		command: session.Command{Verb: session.VerbUp, Services: services, Up: o.UpOptions, Timeout: o.timeout.duration(), NoDeps: o.noDeps, Load: &load},
		config:  session.Config{Load: load, Runtime: a.runtime, Services: selected.Order, History: history, Linger: o.Linger, Logs: o.Linger},
	}
	switch {
	case o.DryRun:
		return a.rehearse(r)
	case o.detach:
		return r.detached(ctx)
	case a.interactive() && !o.noScreen && !o.abort && !o.abortFailure:
		return r.screen(ctx)
	default:
		r.command.Up.Rollback = true
		return r.lines(ctx)
	}
}

// rehearse prints the plan. It is made by a session in this process, so that one that runs is left alone.
func (a *app) rehearse(r *run) error {
	ctx, stop := interruptible(context.Background())
	defer stop()
	c, err := session.Local(ctx, session.Config{Load: r.config.Load, Runtime: a.runtime, Services: r.scope}, wire)
	if err != nil {
		return err
	}
	defer c.Close()
	res, err := c.Do(ctx, r.command)
	if err != nil {
		return err
	}
	for _, action := range res.Plan {
		printf(a.out, "%s\n", action)
	}
	if len(res.Plan) == 0 {
		printf(a.err, "Nothing is to be done.\n")
	}
	return nil
}

// run is one `up`, however it is shown.
type run struct {
	app     *app
	options upOptions
	project *runner.Project
	scope   []string // the services that are asked for, with what they need
	command session.Command
	config  session.Config
	ours    bool // this up has started the session
}

// connect finds the project's session or starts it.
func (r *run) connect(ctx context.Context) (*session.Client, error) {
	c, err := session.Dial(ctx, r.project.Name)
	if errors.Is(err, session.ErrNoSession) {
		c, err = session.Spawn(ctx, r.config)
		r.ours = err == nil
	}
	return c, err
}

// warn prints what the session has to say of the project, as this up had it read, beyond what loading it has said: what its
// runtimes do not apply.
func (r *run) warn(ctx context.Context, c *session.Client) {
	st, err := c.State(ctx)
	if err != nil { // a session that is gone says so at the next request
		return
	}
	r.app.warn(slices.DeleteFunc(st.Warnings, func(w string) bool { return slices.Contains(r.project.Warnings, w) })...)
	if names := r.orphans(st); len(names) > 0 {
		r.app.warn(fmt.Sprintf("there are containers of services that are not in the compose file: %s. If they were removed or renamed there, --remove-orphans removes them.", strings.Join(names, ", ")))
	}
}

// orphans are the instances of services that are not in the files at all, unless the user wants to hear nothing of them.
func (r *run) orphans(st session.State) []string {
	if ignore, _ := strconv.ParseBool(r.app.env("COMPOSE_IGNORE_ORPHANS")); ignore || r.options.RemoveOrphans {
		return nil
	}
	var names []string
	for _, s := range st.Services {
		if s.Orphan && !slices.Contains(r.project.Names(), s.Service) {
			for _, in := range s.Instances {
				names = append(names, in.Name)
			}
		}
	}
	return names
}

// detached comes back when everything was started or, with --wait, is ready.
func (r *run) detached(ctx context.Context) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	c, err := r.connect(ctx)
	if err != nil {
		return err
	}
	p := r.app.progress(c)
	_, err = c.Do(ctx, r.command)
	if ctx.Err() != nil { // interrupted: what goes on in the session is called off, and what runs stays
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		_, _ = c.Do(stopping, session.Command{Verb: session.VerbStop, Services: r.scope, Timeout: r.command.Timeout})
	}
	p.stop()
	r.warn(ctx, c)
	return errors.Join(err, c.Close())
}

func sortedNames(m map[string]int) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
