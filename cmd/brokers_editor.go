package cmd

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"msdev/runner"
	"msdev/session"
)

// editor has a text changed in the user's editor.
func (c *counter) editor(ctx context.Context, text string) (string, error) {
	f, err := os.CreateTemp("", "msdev-message-*.txt") // readable by its owner alone
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	w := bufio.NewWriter(f)
	_, err = w.WriteString(text)
	if err := errors.Join(err, w.Flush(), f.Close()); err != nil {
		return "", err
	}
	if err := c.runEditor(ctx, f.Name()); err != nil {
		return "", err
	}
	changed, err := os.ReadFile(f.Name())
	return string(changed), err
}

// runEditor opens a file in $VISUAL or $EDITOR, which may have arguments, and waits until it is closed.
func (c *counter) runEditor(ctx context.Context, path string) error {
	words := strings.Fields(cmp.Or(c.env("VISUAL"), c.env("EDITOR"), "vi"))
	if len(words) == 0 {
		words = []string{"vi"}
	}
	e := exec.CommandContext(ctx, words[0], append(words[1:], path)...)
	e.Stdin, e.Stdout, e.Stderr = c.in, c.err, c.err
	if err := e.Run(); err != nil {
		return &runner.Error{Kind: runner.ErrFailed, Msg: fmt.Sprintf("the editor %q: %v", words[0], err), Hint: "Set EDITOR to one that waits until the file is closed.", Err: err}
	}
	return nil
}

// keptFile is a file of the project's about a place, such as the progress of a redrive.
func (c *counter) keptFile(ctx context.Context, p place, ending string) (string, error) {
	st, err := c.client.State(ctx)
	if err != nil {
		return "", err
	}
	return session.KeptFile(st.Project, p.at.info.Name, p.source, ending)
}
