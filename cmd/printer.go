package cmd

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"msdev/journal"
	"msdev/session"
)

// printer writes records of output as lines with the name of the instance before each, as Compose does.
type printer struct {
	out     *bufio.Writer
	project string
	names   []string // the services by the alphabet: their colours go by that, as on the screen
	paint   painter
	prefix  bool
	times   bool
	width   int
	since   time.Time // what was written before is not printed; zero: everything is
	until   time.Time // zero: no bound
}

// printerFlags are what `up` and `logs` let a user say about lines.
type printerFlags struct {
	noColor    bool
	noPrefix   bool
	timestamps bool
}

func (a *app) printer(st session.State, f printerFlags) *printer {
	p := &printer{out: bufio.NewWriterSize(a.out, 64<<10), project: st.Project, paint: newPainter(!f.noColor && a.colour(a.out)), prefix: !f.noPrefix, times: f.timestamps}
	for _, s := range st.Services {
		p.names = append(p.names, s.Service)
		p.width = max(p.width, len(s.Service)+len("-1"))
		for _, in := range s.Instances {
			p.width = max(p.width, len(p.short(in.Name)))
		}
	}
	slices.Sort(p.names)
	return p
}

// short is an instance's name without the project's.
func (p *printer) short(instance string) string {
	return strings.TrimPrefix(final(instance), p.project+"-")
}

// take prints records, and says so where some were lost.
func (p *printer) take(records []journal.Record, lost uint64) error {
	if lost > 0 {
		p.note(os.Stderr, fmt.Sprintf("lost %d records: they came faster than they could be printed, and the journal keeps only so much", lost))
	}
	for i := range records {
		p.record(&records[i])
	}
	return p.out.Flush()
}

// note writes a line of talk between the data.
func (p *printer) note(to io.Writer, text string) {
	_ = p.out.Flush() // a failure comes back with the next flush
	printf(to, "%s\n", text)
}

func (p *printer) record(r *journal.Record) {
	if r.Kind != journal.KindLog || r.Time.Before(p.since) || !p.until.IsZero() && r.Time.After(p.until) {
		return
	}
	service, name, _ := strings.Cut(r.Stream, "/")
	if name == "build" {
		return
	}
	p.line(service, r, r.Text)
	for _, more := range bytes.Split(r.Body, []byte("\n")) {
		if len(r.Body) > 0 {
			p.line(service, r, string(more))
		}
	}
}

func (p *printer) line(service string, r *journal.Record, text string) {
	if p.prefix {
		short := p.short(r.Ref)
		p.width = max(p.width, len(short))
		prefix := short + strings.Repeat(" ", p.width-len(short)) + "  |"
		if i := slices.Index(p.names, service); i >= 0 {
			prefix = p.paint.hue(i, prefix)
		}
		printf(p.out, "%s ", prefix)
	}
	if p.times {
		printf(p.out, "%s ", r.Time.UTC().Format(time.RFC3339Nano))
	}
	printf(p.out, "%s\n", text)
}

// outputOf are the streams of what services write.
func outputOf(services []string) []string {
	var streams []string
	for _, s := range services {
		streams = append(streams, s+"/stdout", s+"/stderr")
	}
	return streams
}

// serviceOf is the service that a stream of its output belongs to.
func serviceOf(stream string) string {
	service, _, _ := strings.Cut(stream, "/")
	return service
}
