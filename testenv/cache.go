// Package testenv finds, for tests, what `go run ./testenv/setup` brought onto the machine: engines, brokers, peers.
//
// Where something is missing a test is skipped, with the reason and the way to get it. Under CI=true or
// MSDEV_TEST_REQUIRE=1 it fails instead, so that nothing is left out there without being seen.
package testenv

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// A State says what the set-up brought onto this machine. Empty means: not there.
type State struct {
	Engines []Engine `json:"engines"`
	// DockerConfig is a Docker configuration folder with Compose and buildx as plugins.
	DockerConfig string `json:"dockerConfig,omitempty"`
	// Kafka holds the prepared folder of each line, by its name.
	Kafka map[string]string `json:"kafka,omitempty"`
	// Bin holds command-line tools: golangci-lint, and after `setup bench` the benchmarks' peers.
	Bin string `json:"bin,omitempty"`
	// Missing names what this machine cannot have, each with its reason.
	Missing map[string]string `json:"missing,omitempty"`
}

// CacheDir is the folder that holds all that the set-up makes: $XDG_CACHE_HOME/msdev-testenv.
func CacheDir() (string, error) {
	base := os.Getenv("XDG_CACHE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("the cache folder: %w\nSet XDG_CACHE_HOME.", err)
		}
		base = filepath.Join(home, ".cache")
	}
	return filepath.Join(base, "msdev-testenv"), nil
}

// Load reads what the last set-up left in the cache folder. Without one it is an empty State.
func Load() (State, error) {
	var s State
	dir, err := CacheDir()
	if err != nil {
		return s, err
	}
	content, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if os.IsNotExist(err) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return s, fmt.Errorf("%s: %w\nRemove it and run the set-up again: %s", filepath.Join(dir, "state.json"), err, setupCommand)
	}
	return s, nil
}

// Save leaves the state for Load, all of it or nothing.
func (s State) Save() error {
	dir, err := CacheDir()
	if err != nil {
		return err
	}
	content, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	fresh := filepath.Join(dir, "state.json.new")
	if err := os.WriteFile(fresh, append(content, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(fresh, filepath.Join(dir, "state.json"))
}

const setupCommand = "go run ./testenv/setup"
