package docker

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
)

// environment is what the user's shell and docker configuration say.
type environment map[string]string

func newEnvironment(environ []string) environment {
	if environ == nil {
		environ = os.Environ()
	}
	env := environment{}
	for _, kv := range environ {
		if key, value, ok := strings.Cut(kv, "="); ok {
			env[key] = value
		}
	}
	return env
}

// configDir is the folder of the docker client's configuration.
func (e environment) configDir() string {
	if dir := e["DOCKER_CONFIG"]; dir != "" {
		return dir
	}
	home := e["HOME"]
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	return filepath.Join(home, ".docker")
}

// dockerConfig is the part of the docker client's config.json that matters here.
type dockerConfig struct {
	CurrentContext string                 `json:"currentContext"`
	Auths          map[string]storedLogin `json:"auths"`
	CredsStore     string                 `json:"credsStore"`
	CredHelpers    map[string]string      `json:"credHelpers"`
	Proxies        map[string]proxyConfig `json:"proxies"`
}

// storedLogin is what `docker login` leaves behind for one registry.
type storedLogin struct {
	Auth          string `json:"auth"` // base64 of "user:password"
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// proxyConfig is what containers and builds get as proxy variables, by engine address or "default".
type proxyConfig struct {
	HTTPProxy  string `json:"httpProxy"`
	HTTPSProxy string `json:"httpsProxy"`
	NoProxy    string `json:"noProxy"`
	FTPProxy   string `json:"ftpProxy"`
	AllProxy   string `json:"allProxy"`
}

// config reads config.json; one that is missing or broken is an empty one, as it is for the docker client.
func (e environment) config() dockerConfig {
	var c dockerConfig
	if b, err := os.ReadFile(filepath.Join(e.configDir(), "config.json")); err == nil {
		_ = json.Unmarshal(b, &c)
	}
	return c
}

// proxies are the variables that the docker configuration gives to every container and build of an engine.
func (c dockerConfig) proxies(host string) map[string]*string {
	p, ok := c.Proxies[host]
	if !ok {
		p = c.Proxies["default"]
	}
	vars := map[string]*string{}
	for name, value := range map[string]string{
		"HTTP_PROXY": p.HTTPProxy, "HTTPS_PROXY": p.HTTPSProxy, "NO_PROXY": p.NoProxy, "FTP_PROXY": p.FTPProxy, "ALL_PROXY": p.AllProxy,
	} {
		if value != "" {
			vars[name], vars[strings.ToLower(name)] = &value, &value
		}
	}
	return vars
}
