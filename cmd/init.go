package cmd

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"msdev/runner"
)

// initOptions are the flags of `init`.
type initOptions struct {
	yes, dryRun bool
}

func newInit(a *app) *cobra.Command {
	var o initOptions
	c := &cobra.Command{
		Use:   "init [SERVICE...]",
		Short: "Propose how services run without containers, and write it into the compose file",
		Long: `Propose how services run without containers, and write it into the compose file.

It looks into the build context of each service that has no x-msdev.run yet, finds a Go, Node, Python, Rust or Java program, and shows
as a diff what it would add. The file keeps its comments and its order. Services that say how they run are left alone.`,
		Example: `  msdev init --dry-run    only show what would be written
  msdev init -y orders    write it for one service`,
		ValidArgsFunction: a.services,
		RunE:              func(_ *cobra.Command, services []string) error { return a.init(o, services) },
	}
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "write without asking")
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "print the diff, and write nothing")
	return c
}

func (a *app) init(o initOptions, services []string) error {
	if o.yes && o.dryRun {
		return usageError("--yes and --dry-run do not go together", "Leave one of them out.")
	}
	p, _, err := a.load(context.Background())
	if err != nil {
		return err
	}
	if len(services) == 0 {
		services = p.Names() // also those that no profile has enabled
	}
	if p, err = p.Enable(services); err != nil {
		return err
	}
	byFile := map[string]map[string]proposal{}
	for _, name := range services {
		found, why := proposalFor(p, name)
		if why != "" {
			printf(a.err, "%s: %s\n", name, why)
		} else {
			file := p.File("services", name, "build")
			if byFile[file] == nil {
				byFile[file] = map[string]proposal{}
			}
			byFile[file][name] = found
		}
	}
	for _, file := range slices.Sorted(maps.Keys(byFile)) {
		if err := a.propose(o, file, byFile[file]); err != nil {
			return err
		}
	}
	return nil
}

// proposalFor is what init would write for a service, or why it writes nothing.
func proposalFor(p *runner.Project, name string) (found proposal, why string) {
	s := p.Compose.Services[name]
	switch {
	case !p.Services[name].Run.IsZero():
		return found, "says already how it runs"
	case p.BrokerKind(name) != "":
		return found, "is a broker, which runs inside msdev"
	case s.Build == nil:
		return found, "is not built here: give it an x-msdev.run, or run it as a container"
	}
	dir := s.Build.Context
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return found, "its build context is no folder: " + dir
	}
	found, ok := propose(dir, name)
	if !ok {
		return found, fmt.Sprintf("no Go, Node, Python, Rust or Java program to run is found in %s: say it by x-msdev.run", dir)
	}
	if s.WorkingDir != "" { // which is a folder of the image, and would be taken for one of this machine
		if found.Dir = relative(p.Dir, dir); found.Dir != "." {
			found.Dir = "./" + found.Dir
		}
	}
	return found, ""
}

// propose shows what would become of a file and, where that is wanted, writes it.
func (a *app) propose(o initOptions, file string, of map[string]proposal) error {
	before, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	after, err := written(before, of)
	if err != nil {
		return err
	}
	name := file
	if wd, err := os.Getwd(); err == nil {
		name = relative(wd, file)
	}
	if bytes.Equal(before, after) {
		printf(a.err, "%s: %s: written as a reference to another service, which only you can change\n", name, strings.Join(slices.Sorted(maps.Keys(of)), ", "))
		return nil
	}
	a.printDiff(diff.Diff(name, before, name, after))
	switch {
	case o.dryRun:
		return nil
	case !o.yes && !isTerminal(a.in):
		printf(a.err, "Nothing is written: there is nobody to ask. `msdev init --yes` writes it.\n")
		return nil
	case !o.yes && !a.agrees("Write this to "+name+"?"):
		return exitError(exitFailed)
	}
	if err := replace(file, after); err != nil {
		return &runner.Error{Kind: runner.ErrFailed, Msg: fmt.Sprintf("%s cannot be written: %v", name, err), Hint: "Take the lines from the diff above.", Err: err}
	}
	printf(a.err, "%s is written. `msdev up --runtime process` runs it.\n", name)
	return nil
}

func (a *app) printDiff(text []byte) {
	paint := newPainter(a.colour(a.out))
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "diff "):
			continue
		case strings.HasPrefix(line, "+"):
			line = paint.green(line)
		case strings.HasPrefix(line, "-"):
			line = paint.red(line)
		case strings.HasPrefix(line, "@@"):
			line = paint.dim(line)
		}
		printf(a.out, "%s\n", line)
	}
}

// agrees asks the person at the terminal; what is not a clear yes is a no.
func (a *app) agrees(question string) bool {
	printf(a.err, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(a.in).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// replace puts a new text in place of a file's, as a whole or not at all. A link stays one.
func replace(file string, text []byte) error {
	file, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(file), ".msdev-*")
	if err != nil {
		return err
	}
	_, err = part.Write(text)
	err = errors.Join(err, part.Chmod(info.Mode().Perm()), part.Close())
	if err == nil {
		err = os.Rename(part.Name(), file)
	}
	if err != nil {
		_ = os.Remove(part.Name())
	}
	return err
}

// relative is a path as seen from a folder, or the path itself where it cannot be told.
func relative(from, path string) string {
	if rel, err := filepath.Rel(from, path); err == nil {
		return rel
	}
	return path
}
