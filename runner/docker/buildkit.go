package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/session"
	"github.com/moby/buildkit/session/auth"
	"github.com/moby/buildkit/session/secrets/secretsprovider"
	"github.com/moby/buildkit/session/sshforward/sshprovider"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"msdev/runner"
)

// errNoBuildKit is an engine without BuildKit.
var errNoBuildKit = errors.New("the engine has no BuildKit")

// buildByBuildKit has the BuildKit inside the engine build an image, over the engine's own address: control by /grpc, files
// and secrets by /session, as docker buildx does it.
func (r *Runtime) buildByBuildKit(ctx context.Context, spec buildSpec, log *buildLog) error {
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		conn, err := r.api.DialHijack(ctx, "/grpc", "h2c", nil)
		if err != nil && strings.Contains(err.Error(), "unable to upgrade") {
			err = errNoBuildKit
		}
		return conn, err
	}
	probe, err := dial(ctx, "")
	if err != nil {
		return err
	}
	_ = probe.Close()
	kit, err := client.New(ctx, "", client.WithContextDialer(dial),
		client.WithSessionDialer(func(ctx context.Context, proto string, meta map[string][]string) (net.Conn, error) {
			return r.api.DialHijack(ctx, "/session", proto, meta)
		}))
	if err != nil {
		return err
	}
	defer kit.Close()
	opt, clean, err := r.solveOpt(spec)
	defer clean()
	if err != nil {
		return err
	}
	updates := make(chan *client.SolveStatus)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		for s := range updates {
			log.status(s)
		}
		return nil
	})
	group.Go(func() error {
		_, err := kit.Solve(ctx, nil, opt, updates)
		return err
	})
	return group.Wait()
}

// solveOpt translates a build section for BuildKit's Dockerfile frontend (buildkit, frontend/dockerfile/docs). clean
// removes what had to be put on disk for it.
func (r *Runtime) solveOpt(spec buildSpec) (opt client.SolveOpt, clean func(), err error) {
	clean = func() {}
	b := spec.build
	opt = client.SolveOpt{
		Exports:  []client.ExportEntry{{Type: "moby", Attrs: map[string]string{"name": strings.Join(spec.tags, ",")}}},
		Frontend: "dockerfile.v0", FrontendAttrs: frontendAttrs(spec),
		LocalMounts: map[string]fsutil.FS{}, SharedKey: r.project().Name + ":" + spec.context,
		Session:             []session.Attachable{&authServer{env: r.env}},
		AllowedEntitlements: slices.Clone(b.Entitlements),
	}
	if b.Privileged {
		opt.AllowedEntitlements = append(opt.AllowedEntitlements, "security.insecure")
	}
	if b.Network == "host" {
		opt.AllowedEntitlements = append(opt.AllowedEntitlements, "network.host")
	}
	if opt.CacheImports, err = cacheEntries(b.CacheFrom); err == nil {
		opt.CacheExports, err = cacheEntries(b.CacheTo)
	}
	if err != nil {
		return opt, clean, wrong(spec.service, err)
	}
	if err := r.attach(spec, &opt); err != nil {
		return opt, clean, err
	}
	if err := r.namedContexts(spec, &opt); err != nil {
		return opt, clean, err
	}
	if !spec.remote {
		if err := mountLocal(&opt, "context", spec.context); err != nil {
			return opt, clean, err
		}
	}
	dir, name := filepath.Split(spec.dockerfile)
	if b.DockerfileInline != "" {
		if dir, err = os.MkdirTemp("", "msdev-build-"); err != nil {
			return opt, clean, err
		}
		clean = func() { _ = os.RemoveAll(dir) }
		name = "Dockerfile"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(b.DockerfileInline), 0o600); err != nil {
			return opt, clean, err
		}
	} else if spec.remote {
		if spec.dockerfile != "" {
			opt.FrontendAttrs["filename"] = spec.dockerfile
		}
		return opt, clean, nil
	}
	opt.FrontendAttrs["filename"] = name
	return opt, clean, mountLocal(&opt, "dockerfile", dir)
}

func mountLocal(opt *client.SolveOpt, name, dir string) error {
	files, err := fsutil.NewFS(dir)
	if err == nil {
		opt.LocalMounts[name] = files
	}
	return err
}

func frontendAttrs(spec buildSpec) map[string]string {
	b := spec.build
	attrs := map[string]string{}
	for k, v := range spec.args {
		attrs["build-arg:"+k] = v
	}
	for k, v := range spec.labels {
		attrs["label:"+k] = v
	}
	set := func(key, value string) {
		if value != "" {
			attrs[key] = value
		}
	}
	set("target", b.Target)
	set("platform", platformsOf(spec))
	set("force-network-mode", strings.TrimPrefix(b.Network, "default"))
	set("add-hosts", strings.Join(b.ExtraHosts.AsList("="), ","))
	if spec.remote {
		set("context", spec.context)
	}
	if b.ShmSize > 0 {
		set("shm-size", strconv.FormatInt(int64(b.ShmSize), 10))
	}
	var ulimits []string
	for _, u := range ulimitsOf(b.Ulimits) {
		ulimits = append(ulimits, fmt.Sprintf("%s=%d:%d", u.Name, u.Soft, u.Hard))
	}
	set("ulimit", strings.Join(ulimits, ","))
	if spec.noCache {
		attrs["no-cache"] = ""
	} else {
		set("no-cache", strings.Join(b.NoCacheFilter, ","))
	}
	if b.Pull {
		attrs["image-resolve-mode"] = "pull"
	}
	return attrs
}

// platformsOf is the platform to build for: the one that the service runs on, else the only one that is listed.
func platformsOf(spec buildSpec) string {
	if spec.service.Platform != "" {
		return spec.service.Platform
	}
	return strings.Join(spec.build.Platforms, ",")
}

// cacheEntries reads cache_from and cache_to: the name of an image, or "type=…,key=value".
func cacheEntries(list []string) ([]client.CacheOptionsEntry, error) {
	var entries []client.CacheOptionsEntry
	for _, text := range list {
		if !strings.Contains(text, "=") {
			entries = append(entries, client.CacheOptionsEntry{Type: "registry", Attrs: map[string]string{"ref": text}})
			continue
		}
		e := client.CacheOptionsEntry{Attrs: map[string]string{}}
		for field := range strings.SplitSeq(text, ",") {
			key, value, ok := strings.Cut(field, "=")
			if !ok {
				return nil, fmt.Errorf("the cache %q is not of the form type=…,key=value", text)
			}
			if key == "type" {
				e.Type = value
			} else {
				e.Attrs[key] = value
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// namedContexts adds the additional contexts: folders, addresses, images, and the images of other services.
func (r *Runtime) namedContexts(spec buildSpec, opt *client.SolveOpt) error {
	if len(spec.build.AdditionalContexts) == 0 {
		return nil
	}
	if !r.atLeast("1.42") {
		return &runner.Error{Kind: runner.ErrFailed, Service: spec.service.Name,
			Msg:  fmt.Sprintf("service %q: build.additional_contexts needs Docker Engine 23 or newer.", spec.service.Name),
			Hint: "Update the engine, or move the files into the build context."}
	}
	for i, name := range slices.Sorted(maps.Keys(spec.build.AdditionalContexts)) {
		source := spec.build.AdditionalContexts[name]
		attr := "context:" + name
		if service, ok := strings.CutPrefix(source, types.ServicePrefix); ok {
			other, known := r.project().Compose.Services[service]
			if !known {
				return wrong(spec.service, fmt.Errorf("build.additional_contexts.%s names the service %q, which does not exist", name, service))
			}
			source = "docker-image://" + imageName(r.project().Name, other)
		}
		if isRemote(source) {
			opt.FrontendAttrs[attr] = source
			continue
		}
		if !filepath.IsAbs(source) {
			source = filepath.Join(r.project().Dir, source)
		}
		local := "extra" + strconv.Itoa(i)
		if err := mountLocal(opt, local, source); err != nil {
			return wrong(spec.service, err)
		}
		opt.FrontendAttrs[attr] = "local:" + local
	}
	return nil
}

// attach offers the secrets and ssh agents of a build.
func (r *Runtime) attach(spec buildSpec, opt *client.SolveOpt) error {
	secrets := map[string][]byte{}
	for _, ref := range spec.build.Secrets {
		object := r.project().Compose.Secrets[ref.Source]
		id := ref.Target
		if id == "" {
			id = ref.Source
		}
		switch {
		case object.Content != "":
			secrets[id] = []byte(object.Content)
		case object.Environment != "":
			secrets[id] = []byte(r.project().Compose.Environment[object.Environment])
		default:
			content, err := os.ReadFile(object.File)
			if err != nil {
				return wrong(spec.service, fmt.Errorf("the build secret %q cannot be read: %w", ref.Source, err))
			}
			secrets[id] = content
		}
	}
	if len(secrets) > 0 {
		opt.Session = append(opt.Session, secretsprovider.FromMap(secrets))
	}
	var agents []sshprovider.AgentConfig
	for _, key := range spec.build.SSH {
		a := sshprovider.AgentConfig{ID: key.ID}
		if key.Path != "" {
			a.Paths = []string{key.Path}
		} else if socket := r.env["SSH_AUTH_SOCK"]; socket != "" {
			a.Paths = []string{socket}
		}
		agents = append(agents, a)
	}
	if len(agents) > 0 {
		provider, err := sshprovider.NewSSHAgentProvider(agents)
		if err != nil {
			return wrong(spec.service, fmt.Errorf("build.ssh: %w", err))
		}
		opt.Session = append(opt.Session, provider)
	}
	return nil
}

// authServer gives BuildKit the logins of the docker configuration, as it asks for them. Tokens it fetches itself.
type authServer struct {
	auth.UnimplementedAuthServer
	env environment
}

// Register offers the service to a session.
func (a *authServer) Register(s *grpc.Server) { auth.RegisterAuthServer(s, a) }

// Credentials answers with the login of a registry's host; no login is an empty one.
func (a *authServer) Credentials(ctx context.Context, req *auth.CredentialsRequest) (*auth.CredentialsResponse, error) {
	login, _ := a.env.login(ctx, req.Host)
	if login.IdentityToken != "" {
		return &auth.CredentialsResponse{Secret: login.IdentityToken}, nil
	}
	return &auth.CredentialsResponse{Username: login.Username, Secret: login.Password}, nil
}
