package docker

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"os/exec"
	"strings"
	"time"

	"github.com/distribution/reference"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
)

// hubKey is the name under which the docker client keeps the login of Docker Hub.
const hubKey = "https://index.docker.io/v1/"

// helperLimit bounds a credential helper, which may ask an agent or a keyring.
const helperLimit = 20 * time.Second

// loginFor returns the login of the registry that an image comes from, in the form of the X-Registry-Auth header; empty
// without a login.
func (e environment) loginFor(ctx context.Context, image string) string {
	ref, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return ""
	}
	login, ok := e.login(ctx, reference.Domain(ref))
	if !ok {
		return ""
	}
	header, err := authconfig.Encode(login)
	if err != nil {
		return ""
	}
	return header
}

// login finds the login of a registry's host: by the credential helper for it, by the credential store, by the file.
func (e environment) login(ctx context.Context, host string) (registry.AuthConfig, bool) {
	c := e.config()
	key := host
	if host == "docker.io" || host == "registry-1.docker.io" || host == "index.docker.io" {
		key = hubKey
	}
	if helper := c.CredHelpers[key]; helper != "" {
		return e.askHelper(ctx, helper, key)
	}
	if helper := c.CredHelpers[host]; helper != "" {
		return e.askHelper(ctx, helper, host)
	}
	if c.CredsStore != "" {
		if login, ok := e.askHelper(ctx, c.CredsStore, key); ok {
			return login, true
		}
	}
	for name, stored := range c.Auths {
		if name == key || hostOfURL(name) == hostOfURL(key) {
			return stored.login(name)
		}
	}
	return registry.AuthConfig{}, false
}

// hostOfURL is the host of a registry's name, which may be written as an address.
func hostOfURL(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "https://"), "http://")
	host, _, _ := strings.Cut(name, "/")
	return host
}

func (s storedLogin) login(server string) (registry.AuthConfig, bool) {
	a := registry.AuthConfig{ServerAddress: server, Username: s.Username, Password: s.Password, IdentityToken: s.IdentityToken, RegistryToken: s.RegistryToken}
	if s.Auth != "" {
		b, err := base64.StdEncoding.DecodeString(s.Auth)
		if err != nil {
			return registry.AuthConfig{}, false
		}
		a.Username, a.Password, _ = strings.Cut(strings.TrimRight(string(b), "\x00"), ":")
	}
	return a, a.Username != "" || a.IdentityToken != "" || a.RegistryToken != ""
}

// askHelper asks a credential helper (docker/docker-credential-helpers: the server's name in, JSON out). One that fails
// or knows nothing is no login.
func (e environment) askHelper(ctx context.Context, name, server string) (registry.AuthConfig, bool) {
	if strings.ContainsAny(name, `/\`) {
		return registry.AuthConfig{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, helperLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker-credential-"+name, "get")
	cmd.Stdin = strings.NewReader(server)
	for k, v := range e {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.Output()
	if err != nil {
		return registry.AuthConfig{}, false
	}
	var answer struct{ ServerURL, Username, Secret string }
	if err := json.NewDecoder(bytes.NewReader(out)).Decode(&answer); err != nil || answer.Secret == "" {
		return registry.AuthConfig{}, false
	}
	login := registry.AuthConfig{ServerAddress: server, Username: answer.Username, Password: answer.Secret}
	if answer.Username == "<token>" {
		login = registry.AuthConfig{ServerAddress: server, IdentityToken: answer.Secret}
	}
	return login, true
}
