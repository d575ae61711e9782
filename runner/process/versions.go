package process

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"msdev/runner"
)

// keptVersions is how many versions of a service's program are kept: the one that runs, the one before, and one that is being tried.
const keptVersions = 3

// versions keeps the programs that builds have made, so that there is a way back. Runtime.mu guards it.
type versions struct {
	dir  string
	made map[string][]string // by service: names of versions, newest first
}

func (v *versions) path(service, version string) string {
	return filepath.Join(v.dir, service, version)
}

// keep copies a program that was built just now.
func (v *versions) keep(service, version, program string) error {
	made := slices.DeleteFunc(slices.Clone(v.made[service]), func(name string) bool { return name == version })
	made = append([]string{version}, made...)
	for len(made) > keptVersions {
		_ = os.Remove(v.path(service, made[len(made)-1])) // one file too many harms nobody
		made = made[:len(made)-1]
	}
	v.made[service] = made
	if _, err := os.Stat(v.path(service, version)); err == nil {
		return nil
	}
	return copyProgram(v.path(service, version), program)
}

// copyProgram copies a file as a whole or not at all.
func copyProgram(to, from string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to+".part", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(to+".part", to)
}

// drop removes all that is kept.
func (v *versions) drop() { _ = os.RemoveAll(v.dir) }

// goBack has the next instances of a service run the program that the build before has made.
func (r *Runtime) goBack(service string) ([]runner.Observation, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	made := r.versions.made[service]
	if len(made) < 2 {
		return nil, &runner.Error{Kind: runner.ErrFailed, Service: service, Msg: fmt.Sprintf("service %q has no version before this one", service),
			Hint: "There is one after it was built again while this session runs, where x-msdev.run is a program that x-msdev.build writes."}
	}
	made[0], made[1] = made[1], made[0]
	r.pinned[service] = r.versions.path(service, made[0])
	return r.built(service, made[0]), nil
}

// rollBack forgets a version that did not become ready. What ran before goes on, also when its process has to be started again:
// by now its program may be the one that is no good.
func (r *Runtime) rollBack(old, in *instance) []runner.Observation {
	r.mu.Lock()
	defer r.mu.Unlock()
	service, version := in.state.Service, old.state.ImageID
	made := r.versions.made[service]
	if in.state.ImageID == version || !slices.Contains(made, version) {
		return nil
	}
	r.versions.made[service] = slices.DeleteFunc(slices.Clone(made), func(name string) bool { return name == in.state.ImageID })
	_ = os.Remove(r.versions.path(service, in.state.ImageID)) // one file too many harms nobody
	old.program = r.versions.path(service, version)
	r.pinned[service] = old.program
	return r.built(service, version)
}
