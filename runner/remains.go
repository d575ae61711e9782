package runner

import "errors"

// ErrNoFile says that there is no compose file where one was looked for.
var ErrNoFile = errors.New("no compose file")

// Remains is what an engine tells of a project by itself, without its files.
type Remains struct {
	Name   string
	Files  string // the compose files that it was made from, as Compose lists them
	States map[InstanceState]int
}

// HasFile returns ErrNoFile where the options lead to no compose file, or whatever else is wrong with them.
func HasFile(o LoadOptions) error {
	if o.Text != "" {
		return nil
	}
	_, err := discover(o)
	return err
}
