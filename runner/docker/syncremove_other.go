//go:build !linux

package docker

import "context"

// removeFromHere removes paths in a container through this machine's view of its first process; here there is none.
func (*Runtime) removeFromHere(context.Context, string, []string) error { return errNotFromHere }
