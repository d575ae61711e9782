package cmd

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"msdev/runner"
)

// configOptions are the flags of `config`.
type configOptions struct {
	format        string
	output        string
	hash          string
	quiet         bool
	services      bool
	volumes       bool
	networks      bool
	images        bool
	profiles      bool
	environment   bool
	noInterpolate bool
	schema        bool
}

func newConfig(a *app) *cobra.Command {
	var o configOptions
	c := &cobra.Command{
		Use:     "config [SERVICE...]",
		Aliases: []string{"convert"},
		Short:   "Check the compose files, and print them merged",
		Example: `  msdev config -q             only say what is wrong
  msdev config --hash orders   the hash by which a container's configuration is known`,
		ValidArgsFunction: a.services,
		RunE:              func(_ *cobra.Command, services []string) error { return a.config(o, services) },
	}
	flags := c.Flags()
	flags.StringVar(&o.format, "format", "yaml", "`yaml` or json")
	flags.StringVarP(&o.output, "output", "o", "", "write to a `file`")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "only check")
	flags.BoolVar(&o.noInterpolate, "no-interpolate", false, "leave variables as they are written")
	flags.BoolVar(&o.services, "services", false, "print the names of services")
	flags.BoolVar(&o.volumes, "volumes", false, "print the names of volumes")
	flags.BoolVar(&o.networks, "networks", false, "print the names of networks")
	flags.BoolVar(&o.images, "images", false, "print the names of images")
	flags.BoolVar(&o.profiles, "profiles", false, "print the names of profiles")
	flags.BoolVar(&o.environment, "environment", false, "print the variables that the files are read with")
	flags.StringVar(&o.hash, "hash", "", "print the config hash of `services` (comma-separated, or *)")
	flags.BoolVar(&o.schema, "schema", false, "print the JSON schema of x-msdev, for an editor")
	return c
}

func (a *app) config(o configOptions, services []string) error {
	ctx, stop := interruptible(context.Background())
	defer stop()
	if o.format != "yaml" && o.format != "json" {
		return usageError(fmt.Sprintf("--format %q is neither yaml nor json", o.format), "")
	}
	if o.schema {
		out, err := runner.Schema()
		if err != nil {
			return err
		}
		return a.write(o, out)
	}
	if o.noInterpolate {
		load, err := a.options()
		if err != nil {
			return err
		}
		out, err := runner.RenderRaw(ctx, load, o.format)
		if err != nil {
			return err
		}
		return a.write(o, out)
	}
	p, _, err := a.load(ctx)
	if err != nil {
		return err
	}
	if p, err = p.Select(services, false); err != nil {
		return err
	}
	lines, err := o.lines(p)
	if err != nil {
		return err
	}
	if lines != nil {
		for _, line := range lines {
			printf(a.out, "%s\n", line)
		}
		return nil
	}
	out, err := p.Render(o.format)
	if err != nil {
		return err
	}
	return a.write(o, out)
}

// lines are what a flag asks for instead of the whole model; nil where none does.
func (o *configOptions) lines(p *runner.Project) ([]string, error) {
	lines := []string{}
	switch {
	case o.services:
		return p.Order, nil
	case o.volumes:
		return p.Compose.VolumeNames(), nil
	case o.networks:
		return p.Compose.NetworkNames(), nil
	case o.images:
		for _, s := range p.Specs(nil) {
			if s.Image != "" { // a service that is only a process has none
				lines = append(lines, s.Image)
			}
		}
	case o.profiles:
		for _, s := range p.Compose.AllServices() {
			lines = append(lines, s.Profiles...)
		}
		slices.Sort(lines)
		lines = slices.Compact(lines)
	case o.environment:
		for name, value := range p.Compose.Environment {
			lines = append(lines, name+"="+value)
		}
		slices.Sort(lines)
	case o.hash != "":
		names := strings.Split(o.hash, ",")
		if o.hash == "*" {
			names = slices.Sorted(slices.Values(p.Order))
		}
		for _, name := range names {
			if _, err := p.Service(name); err != nil {
				return nil, err
			}
			lines = append(lines, name+" "+p.Hashes[name])
		}
	default:
		return nil, nil
	}
	return lines, nil
}

func (a *app) write(o configOptions, out []byte) error {
	switch {
	case o.quiet:
		return nil
	case o.output != "":
		return os.WriteFile(o.output, out, 0o644)
	}
	_, err := a.out.Write(out)
	return err
}
