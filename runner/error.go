package runner

import (
	"errors"
	"strings"
)

// Error is a failure that a user can do something about: one sentence that names the file, line or service, and the way
// out on a line of its own.
type Error struct {
	Kind    ErrorKind
	Service string // the service at fault, where there is one
	Msg     string // `service "api" depends on "db", which does not exist.`
	Hint    string // `Did you mean "database"?`
	Err     error  // what lies under it
}

// ErrorKind sorts errors by what a program would do about them; cmd turns it into an exit code.
type ErrorKind string

// The kinds of errors.
const (
	ErrUsage  ErrorKind = "usage"  // wrong use or a wrong file: exit code 2
	ErrFailed ErrorKind = "failed" // the asked-for thing failed: exit code 1
	ErrEngine ErrorKind = "engine" // no engine, broker or session to talk to: exit code 3
)

// Error is the sentence and, under it, the way out.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Msg)
	if e.Hint != "" {
		b.WriteString("\n" + e.Hint)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrSuperseded says that another command changed the goal before it was reached.
var ErrSuperseded = errors.New("another command came before this one was done")
