package docker

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/moby/api/types/build"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"
	"github.com/moby/patternmatcher/ignorefile"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/tonistiigi/fsutil"
	fstypes "github.com/tonistiigi/fsutil/types"

	"msdev/runner"
)

// buildClassic has the engine's classic builder build an image.
func (r *Runtime) buildClassic(ctx context.Context, spec buildSpec, log *buildLog) error {
	if err := classicSupports(spec); err != nil {
		return err
	}
	b := spec.build
	args := map[string]*string{}
	for k, v := range spec.args {
		args[k] = &v
	}
	opts := client.ImageBuildOptions{
		Version: build.BuilderV1, Tags: spec.tags, NoCache: spec.noCache, Remove: true, PullParent: b.Pull,
		BuildArgs: args, Labels: spec.labels, NetworkMode: b.Network, ExtraHosts: b.ExtraHosts.AsList(":"), Target: b.Target,
		CacheFrom: b.CacheFrom, ShmSize: int64(b.ShmSize), Ulimits: ulimitsOf(b.Ulimits), Isolation: container.Isolation(b.Isolation),
		Dockerfile: spec.dockerfile, AuthConfigs: r.env.allLogins(ctx),
	}
	if p := platformOf(platformsOf(spec)); p != nil {
		opts.Platforms = []ocispec.Platform{*p}
	}
	var body io.Reader
	if spec.remote {
		opts.RemoteContext = spec.context
	} else {
		folder, err := classicFolder(spec)
		if err != nil {
			return wrong(spec.service, err)
		}
		opts.Dockerfile = folder.dockerfile
		from, to := io.Pipe()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_ = to.CloseWithError(folder.write(ctx, to))
		}()
		defer func() {
			_ = from.Close()
			<-sent
		}()
		body = from
	}
	res, err := r.api.ImageBuild(ctx, body, opts)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return classicOutput(res.Body, log)
}

func classicOutput(from io.Reader, log *buildLog) error {
	for d := json.NewDecoder(from); ; {
		var m jsonstream.Message
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if m.Error != nil {
			return m.Error
		}
		if m.Stream != "" {
			log.classic(m.Stream)
		} else if m.Status != "" && m.Progress == nil {
			log.line(strings.TrimSpace(m.ID + " " + m.Status))
		}
	}
}

// classicSupports refuses what the classic builder cannot do, instead of leaving it out.
func classicSupports(spec buildSpec) error {
	b := spec.build
	for attribute, used := range map[string]bool{
		"additional_contexts": len(b.AdditionalContexts) > 0, "secrets": len(b.Secrets) > 0, "ssh": len(b.SSH) > 0,
		"privileged": b.Privileged, "several platforms": len(b.Platforms) > 1, "cache_to": len(b.CacheTo) > 0,
	} {
		if used {
			return &runner.Error{Kind: runner.ErrFailed, Service: spec.service.Name,
				Msg:  fmt.Sprintf("service %q: build.%s needs BuildKit, which this engine does not offer.", spec.service.Name, attribute),
				Hint: "Use an engine with BuildKit, and leave DOCKER_BUILDKIT unset."}
		}
	}
	return nil
}

// classicContext is what is sent to the classic builder.
type classicContext struct {
	files      fsutil.FS // without what .dockerignore leaves out
	dockerfile string    // its name in there
	content    []byte    // of a Dockerfile that is not among the files: inline, or from elsewhere
}

// ownDockerfile is the name of a Dockerfile that is not among the files.
const ownDockerfile = ".msdev.Dockerfile"

func classicFolder(spec buildSpec) (classicContext, error) {
	c := classicContext{dockerfile: ownDockerfile, content: []byte(spec.build.DockerfileInline)}
	if spec.dockerfile != "" {
		name, err := filepath.Rel(spec.context, spec.dockerfile)
		if err != nil || strings.HasPrefix(name, "..") {
			if c.content, err = os.ReadFile(spec.dockerfile); err != nil {
				return c, err
			}
		} else {
			c.dockerfile = filepath.ToSlash(name)
		}
	}
	excludes, err := ignored(spec.context)
	if err != nil {
		return c, err
	}
	all, err := fsutil.NewFS(spec.context)
	if err != nil {
		return c, err
	}
	c.files, err = fsutil.NewFilterFS(all, &fsutil.FilterOpt{
		ExcludePatterns: append(excludes, "!"+c.dockerfile),
		Map: func(_ string, s *fstypes.Stat) fsutil.MapResult {
			s.Uid, s.Gid = 0, 0
			return fsutil.MapResultKeep
		},
	})
	return c, err
}

// write writes the files as one archive. The part that the Dockerfile makes has no end of its own, so both are one.
func (c classicContext) write(ctx context.Context, to io.Writer) error {
	if c.dockerfile == ownDockerfile {
		w := tar.NewWriter(to)
		if err := w.WriteHeader(&tar.Header{Name: ownDockerfile, Mode: 0o644, Size: int64(len(c.content))}); err != nil {
			return err
		}
		if _, err := w.Write(c.content); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return fsutil.WriteTar(ctx, c.files, to)
}

// ignored reads .dockerignore.
func ignored(dir string) ([]string, error) {
	f, err := os.Open(filepath.Join(dir, ".dockerignore"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(f)
	return append(patterns, "!.dockerignore"), err
}

// allLogins are the logins of every registry that the docker configuration names: the classic builder is told all at once.
func (e environment) allLogins(ctx context.Context) map[string]registry.AuthConfig {
	logins := map[string]registry.AuthConfig{}
	c := e.config()
	for name := range c.Auths {
		if login, ok := e.login(ctx, hostOfURL(name)); ok {
			logins[name] = login
		}
	}
	for name := range c.CredHelpers {
		if login, ok := e.login(ctx, name); ok {
			logins[name] = login
		}
	}
	return logins
}
