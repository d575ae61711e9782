package docker

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/client"

	"msdev/runner"
)

// lookAtNetworks finds the networks of the project by their labels, and those that it only uses (external ones, and ones
// that somebody else made under the right name) by their names.
func (r *Runtime) lookAtNetworks(ctx context.Context) (map[string]runner.Resource, error) {
	found := map[string]runner.Resource{}
	list, err := r.api.NetworkList(ctx, client.NetworkListOptions{Filters: make(client.Filters).Add("label", labelProject+"="+r.project().Name)})
	if err != nil {
		return nil, err
	}
	for _, n := range list.Items {
		r.addNetwork(found, n)
	}
	var names []string
	for key, n := range r.project().Compose.Networks {
		if _, ok := found[key]; !ok {
			names = append(names, n.Name)
		}
	}
	if len(names) == 0 {
		return found, nil
	}
	list, err = r.api.NetworkList(ctx, client.NetworkListOptions{Filters: make(client.Filters).Add("name", names...)})
	if err != nil {
		return nil, err
	}
	for _, n := range list.Items {
		r.addNetwork(found, n)
	}
	return found, nil
}

// addNetwork files a network under its key; the one that has the name of the file wins over a left-over of another name.
func (r *Runtime) addNetwork(found map[string]runner.Resource, n network.Summary) {
	key, ok := r.networkKey(n)
	if !ok {
		return
	}
	if have, twice := found[key]; twice && have.Name == r.project().Compose.Networks[key].Name {
		return
	}
	found[key] = runner.Resource{Key: key, Name: n.Name, ID: n.ID, Hash: n.Labels[labelHash]}
}

func (r *Runtime) networkKey(n network.Summary) (string, bool) {
	for key, wanted := range r.project().Compose.Networks {
		if wanted.Name == n.Name || wanted.External && wanted.Name == n.ID {
			return key, true
		}
	}
	key := n.Labels[labelNetwork]
	return key, key != "" && n.Labels[labelProject] == r.project().Name
}

func (r *Runtime) lookAtVolumes(ctx context.Context) (map[string]runner.Resource, error) {
	found := map[string]runner.Resource{}
	list, err := r.api.VolumeList(ctx, client.VolumeListOptions{Filters: make(client.Filters).Add("label", labelProject+"="+r.project().Name)})
	if err != nil {
		return nil, err
	}
	for _, v := range list.Items {
		r.addVolume(found, v)
	}
	var names []string
	for key, v := range r.project().Compose.Volumes {
		if _, ok := found[key]; !ok {
			names = append(names, v.Name)
		}
	}
	if len(names) == 0 {
		return found, nil
	}
	list, err = r.api.VolumeList(ctx, client.VolumeListOptions{Filters: make(client.Filters).Add("name", names...)})
	if err != nil {
		return nil, err
	}
	for _, v := range list.Items {
		r.addVolume(found, v)
	}
	return found, nil
}

func (r *Runtime) addVolume(found map[string]runner.Resource, v volume.Volume) {
	key, ok := r.volumeKey(v)
	if !ok {
		return
	}
	if have, twice := found[key]; twice && have.Name == r.project().Compose.Volumes[key].Name {
		return
	}
	found[key] = runner.Resource{Key: key, Name: v.Name, ID: v.Name, Hash: v.Labels[labelHash]}
}

func (r *Runtime) volumeKey(v volume.Volume) (string, bool) {
	for key, wanted := range r.project().Compose.Volumes {
		if wanted.Name == v.Name {
			return key, true
		}
	}
	key := v.Labels[labelVolume]
	return key, key != "" && v.Labels[labelProject] == r.project().Name
}

// lookAtResource asks for a network or volume that was just made, if its name is one of the project's.
func (r *Runtime) lookAtResource(ctx context.Context, kind runner.ResourceKind, name, id string) (runner.Resource, bool) {
	found := map[string]runner.Resource{}
	if kind == runner.ResourceNetwork {
		ours := func(n types.NetworkConfig) bool { return n.Name == name }
		if containsValue(r.project().Compose.Networks, ours) {
			if res, err := r.api.NetworkInspect(ctx, id, client.NetworkInspectOptions{}); err == nil {
				r.addNetwork(found, network.Summary{Network: res.Network.Network})
			}
		}
	} else if containsValue(r.project().Compose.Volumes, func(v types.VolumeConfig) bool { return v.Name == name }) {
		if res, err := r.api.VolumeInspect(ctx, name, client.VolumeInspectOptions{}); err == nil {
			r.addVolume(found, res.Volume)
		}
	}
	for _, res := range found {
		return res, true
	}
	return runner.Resource{}, false
}

func containsValue[V any](m map[string]V, is func(V) bool) bool {
	for _, v := range m {
		if is(v) {
			return true
		}
	}
	return false
}

// createNetwork makes the network of a key as Compose does.
func (r *Runtime) createNetwork(ctx context.Context, key string) ([]runner.Observation, error) {
	n, ok := r.project().Compose.Networks[key]
	if !ok {
		return nil, missingKey("network", key)
	}
	if n.External {
		return nil, missingExternal("network", n.Name, "docker network create "+n.Name)
	}
	hash, err := runner.NetworkHash(n)
	if err != nil {
		return nil, err
	}
	ipam, err := ipamOf(n.Ipam)
	if err != nil {
		return nil, &runner.Error{Kind: runner.ErrUsage, Err: err, Msg: fmt.Sprintf("network %q: %s.", key, err), Hint: "Addresses are written like 172.28.0.0/16."}
	}
	if !r.atLeast("1.44") { // older engines make a second network of the same name
		r.naming.Lock()
		defer r.naming.Unlock()
		found, err := r.lookAtNetworks(ctx)
		if err != nil {
			return nil, r.explain(err, subject{what: "network", name: n.Name})
		}
		if there, ok := found[key]; ok && there.Name == n.Name {
			return resourceSeen(runner.ResourceNetwork, there), nil
		}
	}
	res, err := r.api.NetworkCreate(ctx, n.Name, client.NetworkCreateOptions{
		Labels: resourceLabels(r.project().Name, labelNetwork, key, hash, n.Labels, n.CustomLabels),
		Driver: n.Driver, Options: n.DriverOpts, Internal: n.Internal, Attachable: n.Attachable,
		IPAM: ipam, EnableIPv4: n.EnableIPv4, EnableIPv6: n.EnableIPv6,
	})
	switch {
	case errdefs.IsConflict(err): // somebody else was faster
		there, ok := r.lookAtResource(ctx, runner.ResourceNetwork, n.Name, n.Name)
		if !ok {
			return nil, r.explain(err, subject{what: "network", name: n.Name})
		}
		return resourceSeen(runner.ResourceNetwork, there), nil
	case err != nil:
		return nil, r.explain(err, subject{what: "network", name: n.Name})
	}
	return resourceSeen(runner.ResourceNetwork, runner.Resource{Key: key, Name: n.Name, ID: res.ID, Hash: hash}), nil
}

func resourceSeen(kind runner.ResourceKind, res runner.Resource) []runner.Observation {
	return []runner.Observation{{Resource: &runner.ResourceChange{Kind: kind, Resource: res}}}
}

func resourceGone(kind runner.ResourceKind, key string) []runner.Observation {
	return []runner.Observation{{Resource: &runner.ResourceChange{Kind: kind, Resource: runner.Resource{Key: key}, Gone: true}}}
}

func ipamOf(c types.IPAMConfig) (*network.IPAM, error) {
	if c.Driver == "" && len(c.Config) == 0 && len(c.Options) == 0 {
		return nil, nil
	}
	ipam := &network.IPAM{Driver: c.Driver, Options: c.Options}
	for _, pool := range c.Config {
		to, err := poolOf(pool)
		if err != nil {
			return nil, err
		}
		ipam.Config = append(ipam.Config, to)
	}
	return ipam, nil
}

func poolOf(pool *types.IPAMPool) (to network.IPAMConfig, err error) {
	if to.Subnet, err = optional(pool.Subnet, netip.ParsePrefix); err != nil {
		return to, err
	}
	if to.IPRange, err = optional(pool.IPRange, netip.ParsePrefix); err != nil {
		return to, err
	}
	if to.Gateway, err = optional(pool.Gateway, netip.ParseAddr); err != nil {
		return to, err
	}
	for name, text := range pool.AuxiliaryAddresses {
		if to.AuxAddress == nil {
			to.AuxAddress = map[string]netip.Addr{}
		}
		if to.AuxAddress[name], err = netip.ParseAddr(text); err != nil {
			return to, err
		}
	}
	return to, nil
}

// optional parses a text that may be empty, which is the zero value.
func optional[T any](text string, parse func(string) (T, error)) (T, error) {
	if text == "" {
		var zero T
		return zero, nil
	}
	return parse(text)
}

// createVolume makes the volume of a key as Compose does; the engine returns the one that is there already.
func (r *Runtime) createVolume(ctx context.Context, key string) ([]runner.Observation, error) {
	v, ok := r.project().Compose.Volumes[key]
	if !ok {
		return nil, missingKey("volume", key)
	}
	if v.External {
		return nil, missingExternal("volume", v.Name, "docker volume create "+v.Name)
	}
	hash, err := runner.VolumeHash(v)
	if err != nil {
		return nil, err
	}
	res, err := r.api.VolumeCreate(ctx, client.VolumeCreateOptions{
		Name: v.Name, Driver: v.Driver, DriverOpts: v.DriverOpts,
		Labels: resourceLabels(r.project().Name, labelVolume, key, hash, v.Labels, v.CustomLabels),
	})
	if err != nil {
		return nil, r.explain(err, subject{what: "volume", name: v.Name})
	}
	return resourceSeen(runner.ResourceVolume, runner.Resource{Key: key, Name: v.Name, ID: v.Name, Hash: res.Volume.Labels[labelHash]}), nil
}

func (r *Runtime) removeNetwork(ctx context.Context, key string) ([]runner.Observation, error) {
	found, err := r.lookAtNetworks(ctx)
	if err != nil {
		return nil, r.explain(err, subject{})
	}
	if n, ok := found[key]; ok && !bool(r.project().Compose.Networks[key].External) {
		if err := r.relays.leave(ctx, n.ID); err != nil {
			return nil, r.explain(err, subject{what: "network", name: n.Name})
		}
		if _, err := r.api.NetworkRemove(ctx, n.ID, client.NetworkRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
			return nil, r.explain(err, subject{what: "network", name: n.Name})
		}
	}
	return resourceGone(runner.ResourceNetwork, key), nil
}

func (r *Runtime) removeVolume(ctx context.Context, key string) ([]runner.Observation, error) {
	found, err := r.lookAtVolumes(ctx)
	if err != nil {
		return nil, r.explain(err, subject{})
	}
	if v, ok := found[key]; ok && !bool(r.project().Compose.Volumes[key].External) {
		if _, err := r.api.VolumeRemove(ctx, v.Name, client.VolumeRemoveOptions{}); err != nil && !errdefs.IsNotFound(err) {
			return nil, r.explain(err, subject{what: "volume", name: v.Name})
		}
	}
	return resourceGone(runner.ResourceVolume, key), nil
}

// removeImage removes the image of a service; one that is not there is as good as removed.
func (r *Runtime) removeImage(ctx context.Context, s types.ServiceConfig) ([]runner.Observation, error) {
	ref := imageName(r.project().Name, s)
	_, err := r.api.ImageRemove(ctx, ref, client.ImageRemoveOptions{PruneChildren: true})
	if err != nil && !errdefs.IsNotFound(err) {
		return nil, r.explain(err, subject{service: s.Name, what: "image", name: ref})
	}
	r.images.forget(ref)
	return r.imagesSeen(ref, localImage{}), nil
}

// imagesSeen tells what an image is now for every service that uses it.
func (r *Runtime) imagesSeen(ref string, img localImage) []runner.Observation {
	var seen []runner.Observation
	for _, c := range r.imageChanges(ref, img) {
		seen = append(seen, runner.Observation{Resource: &c})
	}
	return seen
}

// sameImage tells whether two names mean one image: "redis", "redis:latest" and "docker.io/library/redis:latest" do.
func sameImage(a, b string) bool {
	if a == b {
		return true
	}
	na, err := reference.ParseDockerRef(a)
	if err != nil {
		return false
	}
	nb, err := reference.ParseDockerRef(b)
	return err == nil && na.String() == nb.String()
}

func missingKey(kind, key string) error {
	return &runner.Error{Kind: runner.ErrUsage, Msg: fmt.Sprintf("the compose file has no %s %q.", kind, key), Hint: "`msdev config` shows what it has."}
}

func missingExternal(kind, name, command string) error {
	return &runner.Error{
		Kind: runner.ErrFailed,
		Msg:  fmt.Sprintf("the external %s %q does not exist.", kind, name),
		Hint: fmt.Sprintf("Make it (`%s`), or leave `external: true` out to have it made.", command),
	}
}
