package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"msdev/runner"
	"msdev/runner/docker/relay"
)

// relayImage is the repository of the relay's images; the tag tells the content.
const relayImage = "msdev-relay"

// relayProgram is msdev in the relay's image, and RelayVerb what it is told to do there.
const (
	relayProgram = "msdev"
	RelayVerb    = "__relay"
)

const importAttempts = 3

// errNoRelay says that this machine and its engine cannot have a relay. It is told as a note: what runs, runs on without one.
var errNoRelay = errors.New("containers cannot reach services outside the engine")

// ensureRelayImage imports the relay's image, which is msdev's own program, unless the engine has it, and returns its name.
func (r *Runtime) ensureRelayImage(ctx context.Context) (string, error) {
	if runtime.GOOS != "linux" || r.windows {
		return "", fmt.Errorf("%w: that needs msdev on Linux, with an engine of Linux containers", errNoRelay)
	}
	files, err := relay.FilesOf("/proc/self/exe", relayProgram)
	if err != nil {
		return "", fmt.Errorf("%w: %w", errNoRelay, err)
	}
	version, err := r.api.ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return "", err
	}
	if !files.Runs(version.Arch) {
		return "", fmt.Errorf("%w: the engine at %s runs programs for %s, and this msdev is one for %s", errNoRelay, r.address, version.Arch, runtime.GOARCH)
	}
	tag, err := files.Digest()
	if err != nil {
		return "", err
	}
	ref := relayImage + ":" + tag
	if _, err := r.api.ImageInspect(ctx, ref); err == nil {
		return ref, nil
	} else if !errdefs.IsNotFound(err) {
		return "", err
	}
	// Engine 20.10 under load has been seen to refuse an archive as one with duplicates that it took a moment later.
	for range importAttempts {
		if err = r.importRelay(ctx, files, ref); err == nil {
			r.removeOldRelays(ctx, ref)
			return ref, nil
		}
	}
	return "", err
}

func (r *Runtime) importRelay(ctx context.Context, files *relay.Files, ref string) error {
	archive, to := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := files.Write(to)
		_ = to.CloseWithError(err)
		written <- err
	}()
	res, err := r.api.ImageImport(ctx, client.ImageImportSource{Source: archive, SourceName: "-"}, ref, client.ImageImportOptions{})
	if err == nil {
		var answer []byte
		answer, err = io.ReadAll(res)
		err = errors.Join(err, res.Close())
		if err == nil && strings.Contains(string(answer), `"errorDetail"`) {
			err = fmt.Errorf("the relay's image cannot be imported: %s", oneLine(string(answer)))
		}
	}
	_ = archive.CloseWithError(io.ErrClosedPipe) // what the engine did not read is not written
	if failed := <-written; err == nil {
		err = failed
	}
	return err
}

// removeOldRelays removes the images of other builds. One that is in use goes another time.
func (r *Runtime) removeOldRelays(ctx context.Context, keep string) {
	list, err := r.api.ImageList(ctx, client.ImageListOptions{Filters: make(client.Filters).Add("reference", relayImage)})
	if err != nil {
		return
	}
	for _, image := range list.Items {
		for _, ref := range image.RepoTags {
			if ref != keep {
				_, _ = r.api.ImageRemove(ctx, ref, client.ImageRemoveOptions{})
			}
		}
	}
}

// relayError makes an error about the relay of a service one that users can read.
func relayError(service string, err error) error {
	var known *runner.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	return &runner.Error{Kind: runner.ErrFailed, Service: service, Err: err,
		Msg:  fmt.Sprintf("service %q cannot be made known to containers: %s", service, oneLine(err.Error())),
		Hint: "Containers reach it by a small container of msdev's own, its relay. `msdev restart " + service + "` tries again."}
}
