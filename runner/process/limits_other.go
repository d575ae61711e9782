//go:build !linux

package process

import (
	"errors"
	"syscall"
)

// ulimits: none are applied here.
var ulimits = map[string]int{}

func (l limits) apply(int) error { return nil }

// cage would be control groups, which only Linux has.
type cage struct{}

func cageable() error { return errors.New("only Linux has control groups") }

func (l limits) cage(string) (*cage, error) { return nil, nil }

func (c *cage) around(_ *syscall.SysProcAttr, start func() error) error { return start() }

func sweepCage(string) {}

func (c *cage) starved() bool { return false }

func (c *cage) remove() {}
