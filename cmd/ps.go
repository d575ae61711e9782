package cmd

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"msdev/runner"
	"msdev/session"
)

// psRow is one instance, with the keys that `docker compose ps --format json` has.
type psRow struct {
	Command      string
	CreatedAt    string
	ExitCode     int
	Health       string
	ID           string
	Image        string
	Labels       string
	LocalVolumes string
	Mounts       string
	Name         string
	Names        string
	Networks     string
	Ports        string
	Project      string
	Publishers   []publisher
	RunningFor   string
	Service      string
	Size         string
	State        string
	Status       string
}

// publisher is one published port.
type publisher struct {
	URL           string
	TargetPort    int
	PublishedPort int
	Protocol      string
}

// psOptions are the flags of `ps`.
type psOptions struct {
	all      bool
	services bool
	quiet    bool
	noTrunc  bool
	orphans  bool
	status   []string
	filter   string
	format   format
}

func newPs(a *app) *cobra.Command {
	var o psOptions
	c := &cobra.Command{
		Use:   "ps [SERVICE...]",
		Short: "List containers",
		Example: `  msdev ps                          what runs
  msdev ps -a --format json orders   one service, also when it does not run`,
		ValidArgsFunction: a.services,
		RunE:              func(_ *cobra.Command, services []string) error { return a.ps(o, services) },
	}
	flags := c.Flags()
	flags.BoolVarP(&o.all, "all", "a", false, "also those that do not run")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "only ids")
	flags.BoolVar(&o.services, "services", false, "only names of services")
	flags.StringArrayVar(&o.status, "status", nil, "only those in a `state`: created, running, paused, restarting, removing, exited, dead")
	flags.StringVar(&o.filter, "filter", "", "only those with a property: `status=STATE`")
	flags.BoolVar(&o.orphans, "orphans", true, "also those of services that are no more in the file")
	flags.BoolVar(&o.noTrunc, "no-trunc", false, "whole ids")
	o.format.register(flags)
	return c
}

func (a *app) ps(o psOptions, services []string) error {
	if o.filter != "" {
		key, state, _ := strings.Cut(o.filter, "=")
		if key != "status" {
			return usageError(fmt.Sprintf("--filter %q is not known", o.filter), "There is: status=STATE.")
		}
		o.status = append(o.status, state)
	}
	return a.with(session.Config{}, func(ctx context.Context, c *session.Client) error {
		st, err := c.State(ctx)
		if err != nil {
			return err
		}
		if services, err = chosen(st, services); err != nil {
			return err
		}
		details, err := c.Details(ctx)
		if err != nil {
			return err
		}
		return a.printPs(o, o.rows(st, services, details, time.Now()))
	})
}

// rows are the instances that the flags choose.
func (o *psOptions) rows(st session.State, services []string, details map[string]runner.Detail, now time.Time) []psRow {
	var rows []psRow
	for _, s := range st.Services {
		if !slices.Contains(services, s.Service) || s.Orphan && !o.orphans {
			continue
		}
		for _, in := range s.Instances {
			if o.chooses(in) {
				rows = append(rows, o.row(st.Project, in, details[in.ID], now))
			}
		}
	}
	return rows
}

func (o *psOptions) chooses(in runner.Instance) bool {
	if len(o.status) > 0 {
		return slices.Contains(o.status, string(in.State))
	}
	return o.all || in.Alive()
}

func (o *psOptions) row(project string, in runner.Instance, d runner.Detail, now time.Time) psRow {
	cut := func(text string, most int) string {
		if runes := []rune(text); !o.noTrunc && len(runes) > most {
			return string(runes[:most-1]) + "…"
		}
		return text
	}
	row := psRow{
		CreatedAt: in.CreatedAt.Local().Format("2006-01-02 15:04:05 -0700 MST"), ExitCode: in.ExitCode,
		Health: string(in.Health), ID: in.ID, Image: in.Image, LocalVolumes: strconv.Itoa(d.LocalVolumes),
		Name: in.Name, Names: in.Name, Networks: strings.Join(d.Networks, ","), Ports: published(in.Ports), Project: project, Publishers: []publisher{},
		RunningFor: ago(now.Sub(in.CreatedAt)) + " ago", Service: in.Service, Size: "0B", State: string(in.State), Status: status(in, now),
	}
	if d.Command != "" {
		row.Command = `"` + cut(d.Command, commandWidth) + `"`
	}
	var labels []string
	for name, value := range d.Labels {
		labels = append(labels, name+"="+value)
	}
	slices.Sort(labels)
	row.Labels = strings.Join(labels, ",")
	mounts := make([]string, len(d.Mounts))
	for i, m := range d.Mounts {
		mounts[i] = cut(m, mountWidth)
	}
	row.Mounts = strings.Join(mounts, ",")
	if !o.noTrunc && len(row.ID) > 12 {
		row.ID = row.ID[:12]
	}
	for _, p := range in.Ports {
		row.Publishers = append(row.Publishers, publisher{URL: p.HostIP, TargetPort: p.Target, PublishedPort: p.Host, Protocol: p.Protocol})
	}
	return row
}

// How much of a command and of a mount Compose shows.
const (
	commandWidth = 20
	mountWidth   = 15
)

// status is what the engine says of a container, in its words.
func status(in runner.Instance, now time.Time) string {
	switch in.State {
	case runner.InstanceRunning, runner.InstancePaused:
		text := "Up " + ago(now.Sub(in.StartedAt))
		switch {
		case in.State == runner.InstancePaused:
			text += " (Paused)"
		case in.Health == runner.HealthStarting:
			text += " (health: starting)"
		case in.Health != runner.HealthNone:
			text += fmt.Sprintf(" (%s)", in.Health)
		}
		if in.Attached > 0 {
			text += fmt.Sprintf(", attached by %d", in.Attached)
		}
		return text
	case runner.InstanceExited:
		return fmt.Sprintf("Exited (%d) %s ago", in.ExitCode, ago(now.Sub(in.FinishedAt)))
	case runner.InstanceRestarting:
		return fmt.Sprintf("Restarting (%d) %s ago", in.ExitCode, ago(now.Sub(in.FinishedAt)))
	case runner.InstanceCreated:
		return "Created"
	}
	return title(string(in.State))
}

func (a *app) printPs(o psOptions, rows []psRow) error {
	switch {
	case o.quiet:
		for _, r := range rows {
			printf(a.out, "%s\n", r.ID)
		}
		return nil
	case o.services:
		var names []string
		for _, r := range rows {
			if !slices.Contains(names, r.Service) {
				names = append(names, r.Service)
				printf(a.out, "%s\n", r.Service)
			}
		}
		return nil
	}
	return list(a.out, o.format, rows, []string{"NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"}, func(r psRow) []string {
		return []string{r.Name, r.Image, r.Command, r.Service, r.RunningFor, r.Status, r.Ports}
	})
}
