package cmd

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"msdev/brokers"
	"msdev/runner"
)

// consent are the flags by which a user says yes in advance.
type consent struct {
	yes         bool
	allowRemote bool
	mean        string
}

// register adds the flags; those of a verb that destroys have --yes.
func (c *consent) register(flags *pflag.FlagSet, destroys bool) {
	if destroys {
		flags.BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	}
	flags.BoolVar(&c.allowRemote, "allow-remote", false, "permit changes of a broker that is not part of the project")
	flags.StringVar(&c.mean, "yes-i-mean", "", "with --allow-remote: the broker's `name`, instead of typing it")
}

// permit lets a change of a broker pass. On one that is not part of the project its name is typed. What destroys asks, naming
// what is lost; lost is empty where nothing is.
func (a *app) permit(ctx context.Context, c consent, at brokers.Info, doing, lost string) error {
	loses := ""
	if lost != "" {
		loses = " What is lost: " + lost + "."
	}
	if !at.Own {
		if err := brokers.Permit(at, c.allowRemote); err != nil {
			msg, hint, _ := strings.Cut(err.Error(), "\n")
			return usageError(msg, hint)
		}
		return a.named(ctx, c, at, doing, loses)
	}
	switch {
	case lost == "" || c.yes:
		return nil
	case !isTerminal(a.in) || !isTerminal(a.err):
		return usageError(fmt.Sprintf("to %s asks first.%s", doing, loses), "Add --yes where nobody can answer.")
	}
	answer, err := a.prompt(ctx, fmt.Sprintf("About to %s.%s\nGo on? [y/N] ", doing, loses))
	if err != nil {
		return err
	}
	if answer = strings.ToLower(answer); answer != "y" && answer != "yes" {
		return exitError(exitFailed)
	}
	return nil
}

// named has the name of somebody else's broker typed.
func (a *app) named(ctx context.Context, c consent, at brokers.Info, doing, loses string) error {
	switch {
	case c.mean == at.Name:
		return nil
	case c.mean != "":
		return usageError(fmt.Sprintf("--yes-i-mean says %q, but this is to %s on %q", c.mean, doing, at.Name), "Name the broker that you mean.")
	case !isTerminal(a.in) || !isTerminal(a.err):
		return usageError(fmt.Sprintf("to %s on %q, which is not part of this project, asks for its name first.%s", doing, at.Name, loses),
			fmt.Sprintf("Add --yes-i-mean %s where nobody can type it.", at.Name))
	}
	answer, err := a.prompt(ctx, fmt.Sprintf("About to %s on %q (%s), which is not part of this project.%s\nType its name to go on: ", doing, at.Name, at.Address, loses))
	if err != nil {
		return err
	}
	if answer != at.Name {
		return usageError(fmt.Sprintf("%q is not its name", answer), "Nothing was changed.")
	}
	return nil
}

// prompt asks the person at the terminal for a line. A read of a terminal cannot be called off; after an interrupt it ends with
// the program, which is what an interrupt leads to.
func (a *app) prompt(ctx context.Context, question string) (string, error) {
	printf(a.err, "%s", question)
	type answer struct {
		text string
		err  error
	}
	line := make(chan answer, 1)
	go func() {
		text, err := bufio.NewReader(a.in).ReadString('\n')
		line <- answer{strings.TrimSpace(text), err}
	}()
	select {
	case got := <-line:
		if got.err != nil { // the terminal has no more to say
			printf(a.err, "\n")
			return "", &runner.Error{Kind: runner.ErrFailed, Msg: "there was no answer", Hint: "Nothing more was done.", Err: got.err}
		}
		return got.text, nil
	case <-ctx.Done():
		printf(a.err, "\n")
		return "", ctx.Err()
	}
}
