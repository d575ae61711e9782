package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"msdev/runner"
)

// inheritedVolume is an anonymous volume that a new instance takes over from the one that it replaces.
type inheritedVolume struct {
	kind     mount.Type
	source   string
	target   string
	readOnly bool
}

// inherited finds the anonymous volumes of the instance that is replaced: those that the image declares and those that the
// file mounts without a source.
func (r *Runtime) inherited(ctx context.Context, s types.ServiceConfig, a runner.Action, img localImage) ([]inheritedVolume, error) {
	if a.Replaces == "" || a.Volumes {
		return nil, nil
	}
	old, err := r.api.ContainerInspect(ctx, a.Replaces, client.ContainerInspectOptions{})
	if err != nil {
		return nil, err
	}
	var list []inheritedVolume
	for _, m := range old.Container.Mounts {
		anonymous := slices.ContainsFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == m.Destination && v.Source == "" })
		if m.Type == mount.TypeTmpfs || !anonymous && !slices.Contains(img.volumes, m.Destination) {
			continue
		}
		v := inheritedVolume{kind: m.Type, source: m.Source, target: m.Destination, readOnly: !m.RW}
		if m.Type == mount.TypeVolume {
			v.source = m.Name
		}
		list = append(list, v)
	}
	return list, nil
}

// resolveImageVolumes turns the sources of `type: image` volumes into names of images, and returns what the label says of
// their contents.
func (r *Runtime) resolveImageVolumes(ctx context.Context, s *types.ServiceConfig) (string, error) {
	var digests []string
	s.Volumes = slices.Clone(s.Volumes)
	for i, v := range s.Volumes {
		if v.Type != types.VolumeTypeImage {
			continue
		}
		for _, name := range []string{v.Source, r.project().Name + "-" + v.Source} {
			img, err := r.images.get(ctx, name)
			if err != nil {
				return "", err
			}
			if img.id != "" {
				s.Volumes[i].Source = name
				digests = append(digests, v.Target+"="+img.id)
				break
			}
		}
	}
	slices.Sort(digests)
	return strings.Join(digests, ","), nil
}

// mountsOf are the mounts of a container, in the order of their targets. Bind mounts are given in the older form of the
// API, as it alone makes a missing folder of the host.
func (r *Runtime) mountsOf(s types.ServiceConfig, inherited []inheritedVolume) (binds []string, mounts []mount.Mount, err error) {
	byTarget := map[string]mount.Mount{}
	taken := map[string]bool{}
	for _, v := range inherited {
		byTarget[v.target] = mount.Mount{Type: v.kind, Source: v.source, Target: v.target, ReadOnly: v.readOnly}
		taken[v.target] = true
	}
	volumes := slices.DeleteFunc(slices.Clone(s.Volumes), func(v types.ServiceVolumeConfig) bool { return v.Source == "" && taken[v.Target] })
	files, err := r.fileMounts(s)
	if err != nil {
		return nil, nil, err
	}
	for _, v := range volumes {
		m, err := r.mountOf(v)
		if err != nil {
			return nil, nil, err
		}
		byTarget[m.Target] = m
	}
	for _, v := range files {
		m, err := r.mountOf(v)
		if err != nil {
			return nil, nil, err
		}
		if _, found := byTarget[m.Target]; !found {
			byTarget[m.Target] = m
		}
	}
	targets := make([]string, 0, len(byTarget))
	for target := range byTarget {
		targets = append(targets, target)
	}
	slices.Sort(targets)
	for _, target := range targets {
		m := byTarget[target]
		if b, ok := r.bindOf(m, volumes); ok {
			binds = append(binds, b)
			continue
		}
		if m.Type == mount.TypeImage && !r.atLeast("1.48") {
			return nil, nil, fmt.Errorf("a volume of type image (%s) needs Docker Engine 28 or newer", target)
		}
		mounts = append(mounts, m)
	}
	return binds, mounts, nil
}

// bindOf is a mount in the older form "source:target:options", where that form can say it.
func (r *Runtime) bindOf(m mount.Mount, volumes []types.ServiceVolumeConfig) (string, bool) {
	i := slices.IndexFunc(volumes, func(v types.ServiceVolumeConfig) bool { return v.Target == m.Target })
	if i < 0 {
		return "", false
	}
	v := volumes[i]
	source := m.Source
	switch m.Type {
	case mount.TypeBind:
		if b := v.Bind; b != nil && (!bool(b.CreateHostPath) || b.Propagation != "" || b.Recursive != "") {
			return "", false
		}
	case mount.TypeVolume:
		named := false
		for _, p := range r.project().Compose.Volumes {
			named = named || p.Name == m.Source
		}
		if o := v.Volume; !named || o != nil && (len(o.Labels) > 0 || o.Subpath != "" || o.NoCopy) {
			return "", false
		}
	default:
		return "", false
	}
	options := []string{"rw"}
	if v.ReadOnly {
		options[0] = "ro"
	}
	if v.Bind != nil && v.Bind.SELinux != "" {
		options = append(options, v.Bind.SELinux)
	}
	return source + ":" + v.Target + ":" + strings.Join(options, ","), true
}

func (r *Runtime) mountOf(v types.ServiceVolumeConfig) (mount.Mount, error) {
	m := mount.Mount{
		Type: mount.Type(v.Type), Source: v.Source, Target: v.Target, ReadOnly: v.ReadOnly, Consistency: mount.Consistency(v.Consistency),
	}
	switch v.Type {
	case types.VolumeTypeBind:
		if !isAbsolute(v.Source) {
			m.Source = filepath.Join(r.project().Dir, v.Source)
		}
		if b := v.Bind; b != nil {
			m.BindOptions = &mount.BindOptions{
				Propagation: mount.Propagation(b.Propagation), CreateMountpoint: bool(b.CreateHostPath),
				NonRecursive: b.Recursive == "disabled", ReadOnlyNonRecursive: b.Recursive == "writable", ReadOnlyForceRecursive: b.Recursive == "readonly",
			}
		}
	case types.VolumeTypeVolume:
		if named, ok := r.project().Compose.Volumes[v.Source]; ok {
			m.Source = named.Name
		}
		if o := v.Volume; o != nil {
			m.VolumeOptions = &mount.VolumeOptions{NoCopy: o.NoCopy, Subpath: o.Subpath, Labels: o.Labels}
		}
	case types.VolumeTypeTmpfs:
		if o := v.Tmpfs; o != nil {
			m.TmpfsOptions = &mount.TmpfsOptions{SizeBytes: int64(o.Size), Mode: os.FileMode(o.Mode)}
		}
	case types.VolumeTypeImage:
		if o := v.Image; o != nil {
			m.ImageOptions = &mount.ImageOptions{Subpath: o.SubPath}
		}
	case types.VolumeTypeNamedPipe:
	default:
		return mount.Mount{}, fmt.Errorf("a volume of type %q (%s) cannot be mounted by Docker", v.Type, v.Target)
	}
	return m, nil
}

// isAbsolute also takes a path of the other system, as the engine may run there.
func isAbsolute(path string) bool {
	windows := len(path) > 2 && path[1] == ':' && (path[2] == '\\' || path[2] == '/') || strings.HasPrefix(path, `\\`)
	return filepath.IsAbs(path) || strings.HasPrefix(path, "/") || windows
}

// The folders in which secrets and configs appear when the file does not say where.
const (
	secretsDir = "/run/secrets/"
	configsDir = "/"
)

// fileTarget is where a secret or config appears.
func fileTarget(dir string, f types.FileReferenceConfig) string {
	target := cmp.Or(f.Target, f.Source)
	if isAbsolute(target) {
		return target
	}
	return dir + target
}

// fileMounts are the secrets and configs that are files, as bind mounts; the others are copied in before the start.
func (r *Runtime) fileMounts(s types.ServiceConfig) ([]types.ServiceVolumeConfig, error) {
	var mounts []types.ServiceVolumeConfig
	for _, f := range r.filesOf(s) {
		switch {
		case bool(f.object.External):
			return nil, fmt.Errorf("the %s %q is external, which only a swarm has", f.kind, f.ref.Source)
		case f.object.Driver != "" || f.object.TemplateDriver != "":
			return nil, fmt.Errorf("the %s %q has a driver, which only a swarm has", f.kind, f.ref.Source)
		case f.inline():
			continue
		}
		if _, err := os.Stat(f.object.File); r.local && errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("the file of the %s %q does not exist: %s", f.kind, f.ref.Source, f.object.File)
		}
		v := types.ServiceVolumeConfig{Type: types.VolumeTypeBind, Source: f.object.File, Target: f.target, ReadOnly: true}
		if f.kind == "secret" {
			v.Bind = &types.ServiceVolumeBind{CreateHostPath: false}
		}
		mounts = append(mounts, v)
	}
	return mounts, nil
}
