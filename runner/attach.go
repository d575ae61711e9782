package runner

import (
	"context"
	"syscall"
)

// Attacher is a Runtime in which a process that somebody else starts can be a service, as one that runs in a debugger.
type Attacher interface {
	// Environment returns what the first instance of a service gets on top of the user's own environment, as NAME=value, sorted.
	Environment(service string) ([]string, error)
	// Attach stops the first instance of a service and keeps its place and its ports, until the attachment has ended.
	Attach(ctx context.Context, service string) (Attachment, error)
}

// Attachment is the place of an instance, kept for a process of somebody else's.
type Attachment interface {
	// Environment is what the process is to get on top of its own environment, as NAME=value, sorted.
	Environment() []string
	// Started tells which process it is. From now on it is the instance.
	Started(pid int)
	// Signals are what the process is to be sent, by the one who has started it.
	Signals() <-chan syscall.Signal
	// Ended tells the exit code of the process, and gives the place back.
	Ended(code int)
	// Abandoned ends the process, as the one who has started it is no more, and gives the place back.
	Abandoned()
}
