package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"

	"msdev/testenv"
)

// baseKey names how a base image is made. A change here makes all images anew.
const baseKey = "debootstrap minbase ca-certificates 2"

// base makes a Debian image: by debootstrap where the set-up may install it, else from the registry.
func (m *machine) base(e engine, b testenv.BaseImage) step {
	key := keyOf(baseKey, b.Suite)
	return step{
		name:  "image " + b.Tag,
		needs: []string{"engine"},
		there: imageThere(e, []string{b.Tag}, key),
		do: func(ctx context.Context, log io.Writer) error {
			if !m.bare {
				return e.run(ctx, log, "pull", b.Tag)
			}
			root := m.path("build", b.Suite)
			if err := os.RemoveAll(root); err != nil {
				return err
			}
			defer os.RemoveAll(root)
			// In a mount namespace of its own: what it mounts under root is gone with it, also when it is stopped half-way.
			if err := run(ctx, log, "unshare", "--mount", "debootstrap", "--variant=minbase", "--include=ca-certificates", b.Suite, root); err != nil {
				return err
			}
			// The folders of manual pages stay: packages put links into them.
			archive := command(ctx, log, "tar", "-C", root, "--exclude=./var/cache/apt/archives/*.deb",
				"--exclude=./var/lib/apt/lists/*", "--exclude=./usr/share/doc/*", "--exclude=./usr/share/man/*/*", "-c", ".")
			return pipe(archive, command(ctx, log, "docker",
				e.args("import", "--change", "LABEL "+keyLabel+"="+key, "-", b.Tag)...))
		},
	}
}

func imageThere(e engine, tags []string, key string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		states, err := e.images(ctx, tags...)
		return err == nil && len(stale(tags, states, key)) == 0, err
	}
}

// pipe runs two commands, the first's output being the second's input.
func pipe(from, to *exec.Cmd) error {
	in, err := to.StdinPipe()
	if err != nil {
		return err
	}
	from.Stdout = in
	if err := to.Start(); err != nil {
		return err
	}
	fromErr := say(from.Run(), from.Args[0])
	return errors.Join(fromErr, in.Close(), say(to.Wait(), to.Args[0]))
}

// image builds a stand-in from its Dockerfile, or pulls the real one where there is a registry.
func (m *machine) image(e engine, i testenv.Image) (step, error) {
	tree := os.DirFS(m.source("images", i.Folder))
	treeKey, err := keyOfTree(tree)
	if err != nil {
		return step{}, err
	}
	parts := []string{treeKey, i.Base}
	mounts := []mount{{tree: tree}}
	s := step{name: "image " + i.Tags[0], needs: []string{"engine"}}
	if i.Base != "" {
		s.needs = append(s.needs, "image "+i.Base)
		parts = append(parts, baseKey)
	}
	for _, add := range i.Adds {
		more, err := m.addition(add)
		if err != nil {
			return step{}, err
		}
		parts = append(parts, more.key)
		mounts = append(mounts, more.mounts...)
		s.needs = append(s.needs, more.needs...)
	}
	key := keyOf(parts...)
	s.there = imageThere(e, i.Tags, key)
	s.do = func(ctx context.Context, log io.Writer) error {
		states, err := e.images(ctx, i.Tags...)
		if err != nil {
			return err
		}
		tags := stale(i.Tags, states, key)
		if !m.bare && !slices.Contains(i.Adds, testenv.AddApp) {
			return pullAll(ctx, e, log, tags)
		}
		args := []string{"build", "--label", keyLabel + "=" + key, "--build-arg", "BASE=" + i.Base}
		for _, tag := range tags {
			args = append(args, "--tag", tag)
		}
		build := command(ctx, log, "docker", e.args(append(args, "-")...)...)
		// The classic builder: BuildKit would want a plugin that may not be there.
		build.Env = append(os.Environ(), "DOCKER_BUILDKIT=0")
		in, err := build.StdinPipe()
		if err != nil {
			return err
		}
		if err := build.Start(); err != nil {
			return err
		}
		// When the build fails early nobody reads the rest: its own error says more than that of the pipe.
		sent := errors.Join(writeContext(in, mounts), in.Close())
		return errors.Join(say(build.Wait(), "docker build"), sent)
	}
	return s, nil
}

func pullAll(ctx context.Context, e engine, log io.Writer, tags []string) error {
	for _, tag := range tags {
		if err := e.run(ctx, log, "pull", tag); err != nil {
			return unavailable("the image " + tag + " cannot be pulled")
		}
	}
	return nil
}

// A supplement is an Addition as it enters a build context.
type supplement struct {
	key    string
	needs  []string
	mounts []mount
}

func (m *machine) addition(a testenv.Addition) (supplement, error) {
	switch a {
	case testenv.AddApp:
		key, err := m.appKey()
		return supplement{key, []string{"test program"}, []mount{{tree: os.DirFS(m.path("build", "app"))}}}, err
	case testenv.AddKafka:
		line := testenv.KafkaLines()[0]
		return supplement{line.Version, []string{"kafka " + line.Name},
			[]mount{{prefix: "libs", tree: os.DirFS(m.path("kafka", line.Name, "libs"))}}}, nil
	default:
		certificates, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
		if err != nil && m.bare && !errors.Is(err, os.ErrNotExist) {
			return supplement{}, err
		}
		return supplement{keyOf(runtime.Version(), string(certificates)), []string{"packages"}, []mount{
			{prefix: "go", tree: os.DirFS(m.goroot), except: []string{"test", "api", "doc"}},
			{tree: os.DirFS("/etc/ssl/certs"), only: "ca-certificates.crt"},
		}}, nil
	}
}

// testProgram builds the static program of the image msdev-test/app.
func (m *machine) testProgram() (step, error) {
	key, err := m.appKey()
	if err != nil {
		return step{}, err
	}
	product := m.path("build", "app", "app")
	return m.stamped(step{
		name: "test program",
		do: func(ctx context.Context, log io.Writer) error {
			build := command(ctx, log, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", product, ".")
			build.Dir = m.source("app")
			build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
			return say(build.Run(), "go build")
		},
	}, key, product), nil
}

func (m *machine) appKey() (string, error) {
	tree, err := keyOfTree(os.DirFS(m.source("app")))
	return keyOf(tree, runtime.Version(), runtime.GOARCH), err
}

// transfer gives the second engine the images of the first.
func (m *machine) transfer(from, to engine, tags []string, needs []string) step {
	differing := func(ctx context.Context) ([]string, error) {
		wanted, err := from.images(ctx, tags...)
		if err != nil {
			return nil, err
		}
		has, err := to.images(ctx, tags...)
		return slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return wanted[tag].id == has[tag].id }), err
	}
	return step{
		name:  "images on engine 26.1",
		needs: append([]string{"engine 26.1"}, needs...),
		there: func(ctx context.Context) (bool, error) {
			differ, err := differing(ctx)
			return err == nil && len(differ) == 0, err
		},
		do: func(ctx context.Context, log io.Writer) error {
			differ, err := differing(ctx)
			if err != nil {
				return err
			}
			return pipe(command(ctx, log, "docker", from.args(append([]string{"save"}, differ...)...)...),
				command(ctx, log, "docker", to.args("load", "--quiet")...))
		},
	}
}
