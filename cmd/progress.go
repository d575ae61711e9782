package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"

	"msdev/journal"
	"msdev/runner"
	"msdev/session"
)

// progress prints what happens to containers while a command is carried out, on stderr, as Compose does.
type progress struct {
	out    io.Writer
	paint  painter
	reader reader
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// progress starts to print what happens from now on. The caller stops it once the command has settled.
func (a *app) progress(c *session.Client) *progress {
	ctx, cancel := context.WithCancel(context.Background())
	p := &progress{out: a.err, paint: newPainter(a.colour(a.err)), cancel: cancel}
	from, err := end(ctx, c)
	if err != nil { // the command itself will say why the session does not answer
		return p
	}
	p.reader = reader{client: c, query: session.RecordQuery{Cursor: from}}
	p.done.Go(func() { _ = p.reader.follow(ctx, p.take) })
	return p
}

// stop prints what has happened until now, and no more.
func (p *progress) stop() {
	p.cancel()
	p.done.Wait()
	if p.reader.client != nil {
		_ = p.reader.drain(context.Background(), p.take)
		p.reader.client = nil
	}
}

func (p *progress) take(records []journal.Record, _ uint64) error {
	for _, r := range records {
		switch {
		case r.Kind == journal.KindEvent:
			if line := p.paint.event(eventOf(r)); line != "" {
				printf(p.out, "%s\n", line)
			}
		case strings.HasSuffix(r.Stream, "/build"):
			printf(p.out, " %s  %s\n", strings.TrimSuffix(r.Stream, "/build"), r.Text)
		}
	}
	return nil
}

// eventOf reads an event out of its record.
func eventOf(r journal.Record) runner.Event {
	e := runner.Event{Type: runner.EventType(r.Ref), Text: r.Text}
	if len(r.Body) > 0 {
		_ = json.Unmarshal(r.Body, &e) // what cannot be read leaves the text
	}
	return e
}

// verbOf is how the progress of containers is worded.
var verbOf = map[runner.EventType]string{
	runner.EventCreate: "Created", runner.EventStart: "Started", runner.EventHealthy: "Healthy", runner.EventUnhealthy: "Unhealthy",
	runner.EventRemove: "Removed", runner.EventPause: "Paused", runner.EventUnpause: "Unpaused", runner.EventStop: "Stopped",
}

// event is a line about an event, or "" where it needs none: failures are told by the command that failed.
func (p painter) event(e runner.Event) string {
	switch e.Type {
	case runner.EventFound, runner.EventFail:
		return ""
	case runner.EventNetwork, runner.EventVolume, runner.EventImage:
		if f := strings.Fields(e.Text); len(f) == 3 {
			return fmt.Sprintf(" %s %s  %s", title(f[0]), f[1], p.green(title(f[2])))
		}
	case runner.EventExit:
		if e.ExitCode != nil && *e.ExitCode != 0 {
			return " " + p.yellow(e.Text)
		}
		return " " + e.Text
	case runner.EventUnhealthy, runner.EventLost, runner.EventWarning:
		return " " + p.yellow(e.Text)
	}
	if verb := verbOf[e.Type]; verb != "" && e.Instance != "" {
		name := final(e.Instance)
		if name != e.Instance && e.Type == runner.EventCreate {
			verb = "Recreated"
		}
		return fmt.Sprintf(" Container %s  %s", name, p.green(verb))
	}
	if e.Service != "" && !strings.HasPrefix(e.Text, e.Service) {
		return fmt.Sprintf(" %s %s", e.Service, e.Text)
	}
	return " " + e.Text
}

// final is the name that a container gets once it has taken the place of another; before, that one's id stands before it.
func final(name string) string {
	const id = 12
	if len(name) > id+1 && name[id] == '_' && strings.Trim(name[:id], "0123456789abcdef") == "" {
		return name[id+1:]
	}
	return name
}

func title(word string) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + word[1:]
}
