package service

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Settings reads the environment. It remembers what it could not read, so that a program can ask for
// all its settings first and report every mistake at once.
type Settings struct {
	Lookup func(name string) (string, bool) // os.LookupEnv
	errs   []error
}

// String is the variable's value, or fallback where it is unset or empty.
func (s *Settings) String(name, fallback string) string {
	if v, ok := s.Lookup(name); ok && v != "" {
		return v
	}
	return fallback
}

// List is a comma-separated value.
func (s *Settings) List(name, fallback string) []string {
	return strings.Split(s.String(name, fallback), ",")
}

// Duration is a value such as 800ms or 2s, and not negative.
func (s *Settings) Duration(name string, fallback time.Duration) time.Duration {
	d, err := time.ParseDuration(s.String(name, fallback.String()))
	if err != nil || d < 0 {
		s.wrong(name, "a duration such as 800ms or 2s")
		return fallback
	}
	return d
}

// Float is a value within [low, high].
func (s *Settings) Float(name string, fallback, low, high float64) float64 {
	v, ok := s.Lookup(name)
	if !ok || v == "" {
		return fallback
	}
	f, err := strconv.ParseFloat(v, 64)
	if err != nil || !(f >= low && f <= high) {
		s.wrong(name, fmt.Sprintf("a number from %g to %g", low, high))
		return fallback
	}
	return f
}

// Int is a value within [low, high].
func (s *Settings) Int(name string, fallback, low, high int) int {
	n, err := strconv.Atoi(s.String(name, strconv.Itoa(fallback)))
	if err != nil || n < low || n > high {
		s.wrong(name, fmt.Sprintf("a whole number from %d to %d", low, high))
		return fallback
	}
	return n
}

// Err tells every setting that could not be read.
func (s *Settings) Err() error { return errors.Join(s.errs...) }

func (s *Settings) wrong(name, want string) {
	v, _ := s.Lookup(name)
	s.errs = append(s.errs, fmt.Errorf("%s=%q is not %s", name, v, want))
}
