//go:build !linux

package docker

import (
	"context"
	"errors"
	"os"
)

// removeFromHere removes paths in a container through this machine's view of its first process; here there is none.
func (*Runtime) removeFromHere(context.Context, string, []string) error { return errNotFromHere }

// rootOf opens the file system of a process, which only Linux has.
func rootOf(int, string) (*os.File, error) { return nil, errors.ErrUnsupported }

// removeBelow removes paths of another file system, which only Linux has.
func removeBelow(*os.File, []string) error { return errors.ErrUnsupported }
