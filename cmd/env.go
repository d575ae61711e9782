package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"msdev/session"
)

// envFormats are the ways in which `env` writes a variable.
var envFormats = map[string]func(name, value string) string{
	"dotenv": func(name, value string) string { return name + "=" + dotenvValue(value) },
	"export": func(name, value string) string { return "export " + name + "=" + shellWord(value) },
}

func newEnv(a *app) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "env SERVICE",
		Short: "Print what a service gets as its environment when it runs as a process",
		Long: `Print what a service gets as its environment when it runs as a process, on top of your own: with the addresses at which the
others can be reached from here, as the running session has them. With it, the service can be run by an IDE or a debugger.

While it is to be reached as well, use "msdev run --attach SERVICE -- COMMAND".`,
		Example: `  msdev env orders > orders.env                      for an IDE
  msdev env --format export payments                 for a shell to eval`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.service,
		RunE:              func(_ *cobra.Command, args []string) error { return a.printEnv(args[0], format) },
	}
	c.Flags().StringVar(&format, "format", "dotenv", "`dotenv`, export (for a shell) or json")
	return c
}

func (a *app) printEnv(service, format string) error {
	write := envFormats[format]
	if write == nil && format != "json" {
		return usageError(fmt.Sprintf("--format %q is not one of dotenv, export, json", format), "")
	}
	return a.with(session.Config{}, func(ctx context.Context, c *session.Client) error {
		env, err := c.Environment(ctx, service)
		if err != nil {
			return err
		}
		object := map[string]string{}
		for _, entry := range env {
			name, value, _ := strings.Cut(entry, "=")
			object[name] = value
			if write != nil {
				printf(a.out, "%s\n", write(name, value))
			}
		}
		if write != nil {
			return nil
		}
		text, err := json.MarshalIndent(object, "", "  ")
		printf(a.out, "%s\n", text)
		return err
	})
}

var plainValue = regexp.MustCompile(`^[\w./:@%+,=?&-]*$`)

// dotenvValue writes a value so that Compose and the usual readers of env files take it as it is.
func dotenvValue(value string) string {
	switch {
	case plainValue.MatchString(value):
		return value
	case !strings.ContainsAny(value, "'\n\r"):
		return "'" + value + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "\n", `\n`, "\r", `\r`).Replace(value) + `"`
}

// shellWord writes a value as one word of a POSIX shell.
func shellWord(value string) string {
	if plainValue.MatchString(value) && !strings.ContainsAny(value, "?&") && value != "" {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}
