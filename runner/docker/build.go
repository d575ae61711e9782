package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"msdev/runner"
)

// buildSpec is one build, with its paths and values settled.
type buildSpec struct {
	service    types.ServiceConfig
	build      types.BuildConfig
	image      string            // the name that the service uses
	tags       []string          // all names that the image gets
	context    string            // absolute folder, or an address
	remote     bool              // context is an address
	dockerfile string            // absolute path, or relative to a remote context; empty with inline
	args       map[string]string //
	labels     map[string]string //
	noCache    bool
}

// build builds the image of a service: by the engine's BuildKit, or by the classic builder where there is none.
func (r *Runtime) build(ctx context.Context, s types.ServiceConfig, a runner.Action, report func(runner.Progress)) ([]runner.Observation, error) {
	if s.Build == nil {
		return nil, &runner.Error{Kind: runner.ErrUsage, Service: s.Name,
			Msg: fmt.Sprintf("service %q has no build section.", s.Name), Hint: "Give it one, or pull its image instead."}
	}
	spec, err := r.buildSpecOf(s, a)
	if err != nil {
		return nil, err
	}
	if a.Previous {
		return r.goBack(ctx, spec)
	}
	log := &buildLog{report: report}
	was, _ := r.images.get(ctx, spec.image) // whoever does not know it cannot go back
	err = errNoBuildKit
	if r.hasBuildKit() {
		err = r.buildByBuildKit(ctx, spec, log)
	}
	if errors.Is(err, errNoBuildKit) {
		err = r.buildClassic(ctx, spec, log)
	}
	if err != nil {
		return nil, r.buildFailed(ctx, spec, log, err)
	}
	for _, tag := range spec.tags {
		r.images.forget(tag)
	}
	img, err := r.images.get(ctx, spec.image)
	if err != nil {
		return nil, r.explain(err, subject{service: s.Name, what: "image", name: spec.image})
	}
	if img.id == "" {
		return nil, &runner.Error{Kind: runner.ErrFailed, Service: s.Name,
			Msg: fmt.Sprintf("service %q was built, but the engine does not have its image %q.", s.Name, spec.image), Hint: "Build it again; another program may have removed it."}
	}
	r.before.note(spec.image, was.id, img.id)
	return r.imagesSeen(spec.image, img), nil
}

// hasBuildKit tells whether a build may be tried by BuildKit. Every Linux engine since 18.09 has it inside; DOCKER_BUILDKIT=0
// asks for the classic builder, as it does of the docker client.
func (r *Runtime) hasBuildKit() bool {
	v := r.env["DOCKER_BUILDKIT"]
	return v != "0" && v != "false" && !r.windows
}

func (r *Runtime) buildSpecOf(s types.ServiceConfig, a runner.Action) (buildSpec, error) {
	spec := buildSpec{service: s, build: *s.Build, image: imageName(r.project().Name, s), noCache: a.NoCache || s.Build.NoCache}
	b := &spec.build
	spec.tags = append(slices.Clone([]string(b.Tags)), spec.image)
	spec.labels = map[string]string{}
	maps.Copy(spec.labels, b.Labels)
	maps.Copy(spec.labels, map[string]string{labelProject: r.project().Name, labelService: s.Name, labelVersion: composeVersion})
	spec.args = r.buildArgs(*b)
	spec.context, spec.dockerfile = cmp.Or(b.Context, "."), b.Dockerfile
	if spec.remote = isRemote(spec.context); spec.remote {
		return spec, nil
	}
	if !filepath.IsAbs(spec.context) {
		spec.context = filepath.Join(r.project().Dir, spec.context)
	}
	if info, err := os.Stat(spec.context); err != nil || !info.IsDir() {
		return spec, &runner.Error{Kind: runner.ErrUsage, Service: s.Name, Err: err,
			Msg:  fmt.Sprintf("service %q: its build context %s is no folder.", s.Name, spec.context),
			Hint: "Correct `build.context` in the compose file."}
	}
	if b.DockerfileInline != "" {
		spec.dockerfile = ""
		return spec, nil
	}
	spec.dockerfile = cmp.Or(spec.dockerfile, "Dockerfile")
	if !filepath.IsAbs(spec.dockerfile) {
		spec.dockerfile = filepath.Join(spec.context, spec.dockerfile)
	}
	if _, err := os.Stat(spec.dockerfile); err != nil {
		return spec, &runner.Error{Kind: runner.ErrUsage, Service: s.Name, Err: err,
			Msg:  fmt.Sprintf("service %q: its Dockerfile %s cannot be read.", s.Name, spec.dockerfile),
			Hint: "Correct `build.dockerfile` in the compose file, or make the file."}
	}
	return spec, nil
}

// buildArgs are the arguments of the file, those without a value from the environment, and the proxies of the docker
// configuration, which override nothing.
func (r *Runtime) buildArgs(b types.BuildConfig) map[string]string {
	args := map[string]string{}
	for k, v := range r.env.config().proxies(r.address) {
		args[k] = *v
	}
	for k, v := range b.Args {
		if v != nil {
			args[k] = *v
		} else if from, ok := r.project().Compose.Environment[k]; ok {
			args[k] = from
		}
	}
	return args
}

// isRemote tells whether a context is fetched by the builder: an address, or a git repository as the docker client knows them.
func isRemote(context string) bool {
	for _, prefix := range []string{"http://", "https://", "git://", "ssh://", "git@", "github.com/", "docker-image://"} {
		if strings.HasPrefix(context, prefix) {
			return true
		}
	}
	return false
}

// buildFailed names the step that failed and what it wrote last.
func (r *Runtime) buildFailed(ctx context.Context, spec buildSpec, log *buildLog, err error) error {
	var known *runner.Error
	if ctx.Err() != nil || errors.As(err, &known) {
		return cmp.Or(ctx.Err(), err)
	}
	about := subject{service: spec.service.Name, what: "image", name: spec.image}
	text := oneLine(strings.TrimPrefix(err.Error(), "failed to solve: "))
	e := &runner.Error{Kind: runner.ErrFailed, Service: spec.service.Name, Err: err}
	if log.failed == "" {
		if storageError(e, about, text) || pullError(e, about, text) {
			return e
		}
		e.Msg = fmt.Sprintf("the image of service %q cannot be built: %s", spec.service.Name, sentence(text))
	} else {
		e.Msg = fmt.Sprintf("the image of service %q cannot be built: the step `%s` failed: %s", spec.service.Name, log.failed, sentence(text))
	}
	if tail := log.tail(); tail != "" {
		e.Msg += "\n" + tail
	}
	e.Hint = "Correct it and build again: `msdev up --build " + spec.service.Name + "`."
	return e
}
