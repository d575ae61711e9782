package rabbitmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"msdev/brokers"
)

// tracing is the virtual host's switch for the firehose, which several taps may need at a time: the first turns it on, the
// last puts it back as it was.
type tracing struct {
	mu    sync.Mutex
	users int
	was   bool
}

// vhostSettings are all that a PUT of a virtual host sets. What is left out of it is wiped, so everything goes back.
type vhostSettings struct {
	Description      string `json:"description"`
	Tags             string `json:"tags"`
	DefaultQueueType string `json:"default_queue_type,omitempty"`
	Protected        *bool  `json:"protected_from_deletion,omitempty"`
	Tracing          bool   `json:"tracing"`
}

// settings reads what the virtual host has now.
func (a *api) settings(ctx context.Context) (vhostSettings, error) {
	var now struct {
		Description      string          `json:"description"`
		Tags             json.RawMessage `json:"tags"`
		DefaultQueueType string          `json:"default_queue_type"`
		Protected        *bool           `json:"protected_from_deletion"`
		Tracing          bool            `json:"tracing"`
		Metadata         struct {
			DefaultQueueType string `json:"default_queue_type"`
		} `json:"metadata"`
	}
	if err := a.get(ctx, a.path("vhosts", "%v"), &now); err != nil {
		return vhostSettings{}, err
	}
	s := vhostSettings{Description: now.Description, DefaultQueueType: now.DefaultQueueType, Protected: now.Protected, Tracing: now.Tracing}
	if s.DefaultQueueType == "" {
		s.DefaultQueueType = now.Metadata.DefaultQueueType
	}
	if s.DefaultQueueType == "undefined" {
		s.DefaultQueueType = ""
	}
	var list []string
	if json.Unmarshal(now.Tags, &list) == nil {
		s.Tags = strings.Join(list, ",")
	} else {
		_ = json.Unmarshal(now.Tags, &s.Tags) // as old versions have it: one string
	}
	return s, nil
}

// trace sets the virtual host's tracing and answers what it was.
func (a *api) trace(ctx context.Context, on bool) (was bool, err error) {
	s, err := a.settings(ctx)
	if err != nil || s.Tracing == on {
		return s.Tracing, err
	}
	s.Tracing = on
	return !on, a.do(ctx, http.MethodPut, a.path("vhosts", "%v"), s, nil)
}

// startTracing turns tracing on for one user of it.
func (b *Broker) startTracing(ctx context.Context) error {
	b.tracing.mu.Lock()
	defer b.tracing.mu.Unlock()
	now, err := b.api.settings(ctx)
	if err != nil {
		return err
	}
	if b.tracing.users == 0 {
		b.tracing.was = now.Tracing && !b.leftOn()
		if err := b.noteTracing(); err != nil {
			return err
		}
	}
	if !now.Tracing {
		if _, err := b.api.trace(ctx, true); err != nil {
			return err
		}
	}
	b.tracing.users++
	return nil
}

// stopTracing ends one use, whether or not the asker is still there to wait.
func (b *Broker) stopTracing(ctx context.Context) error {
	b.tracing.mu.Lock()
	defer b.tracing.mu.Unlock()
	b.tracing.users--
	if b.tracing.users > 0 || b.tracing.was {
		return nil
	}
	return b.endTracing(context.WithoutCancel(ctx))
}

// Tidy turns tracing off where a process of msdev turned it on and was killed: see brokers.Tidier.
func (b *Broker) Tidy(ctx context.Context) error {
	b.tracing.mu.Lock()
	defer b.tracing.mu.Unlock()
	if b.api == nil || b.tracing.users > 0 || !b.leftOn() {
		return nil
	}
	return b.endTracing(ctx)
}

// endTracing turns tracing off, and forgets that it was on.
func (b *Broker) endTracing(ctx context.Context) error {
	if _, err := b.api.trace(ctx, false); err != nil || b.o.Note == "" {
		return err
	}
	err := os.Remove(b.o.Note)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

// place is the virtual host as Options.Note has it.
func (b *Broker) place() string { return b.at.address + " " + b.at.vhost + "\n" }

// leftOn tells whether it was noted that tracing is on because of msdev.
func (b *Broker) leftOn() bool {
	if b.o.Note == "" {
		return false
	}
	text, err := os.ReadFile(b.o.Note)
	return err == nil && string(text) == b.place()
}

// noteTracing notes that tracing is on because of msdev, before it is.
func (b *Broker) noteTracing() error {
	if b.o.Note == "" || b.tracing.was {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(b.o.Note), 0o700); err != nil {
		return err
	}
	return os.WriteFile(b.o.Note, []byte(b.place()), 0o600)
}

// canTrace tells why the firehose cannot be used, or nil.
func (b *Broker) canTrace(force bool) error {
	switch {
	case b.api == nil:
		return fmt.Errorf("the firehose needs the management API, which broker %q has not\n%s", b.o.Name, enableManagement)
	case !b.o.Own && !force:
		return &brokers.DisturbError{
			Reason: "the firehose would switch on tracing on broker " + quoted(b.o.Name) + ", which is not part of this project and pays for it with a third of its speed",
			Hint:   "Tap an exchange instead, or force it.",
		}
	}
	return nil
}
