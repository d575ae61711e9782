package docker

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/moby/moby/client"

	"msdev/runner"
)

// place is where an engine is, and how it is reached.
type place struct {
	address string // "unix:///var/run/docker.sock"
	origin  string // what named it: "DOCKER_HOST", `docker context "remote"`
	tls     tlsFiles
}

// tlsFiles are the files that secure a connection; empty for none.
type tlsFiles struct{ ca, cert, key string }

// locate finds the engine in the order in which the docker client does: what was asked for, DOCKER_HOST, DOCKER_CONTEXT,
// the current context, the default.
func locate(host string, env environment) (place, error) {
	switch {
	case host != "":
		return place{address: host, origin: "the given address"}, nil
	case env["DOCKER_HOST"] != "":
		return place{address: env["DOCKER_HOST"], origin: "DOCKER_HOST"}, nil
	}
	name := env["DOCKER_CONTEXT"]
	if name == "" {
		name = env.config().CurrentContext
	}
	if name == "" || name == "default" {
		return place{address: client.DefaultDockerHost, origin: "the default address"}, nil
	}
	return contextPlace(name, env)
}

// contextPlace reads the engine's address from a docker context (docker/cli, cli/context/store).
func contextPlace(name string, env environment) (place, error) {
	sum := sha256.Sum256([]byte(name))
	id := hex.EncodeToString(sum[:])
	root := filepath.Join(env.configDir(), "contexts")
	file := filepath.Join(root, "meta", id, "meta.json")
	var meta struct {
		Endpoints map[string]struct {
			Host string
		}
	}
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, &meta)
	}
	if err == nil && meta.Endpoints["docker"].Host == "" {
		err = errors.New("it names no docker engine")
	}
	if err != nil {
		return place{}, &runner.Error{
			Kind: runner.ErrEngine, Err: err,
			Msg:  fmt.Sprintf("the docker context %q cannot be used: %s", name, reason(err)),
			Hint: "`docker context ls` lists what there is; `docker context use default` goes back to the local engine.",
		}
	}
	p := place{address: meta.Endpoints["docker"].Host, origin: fmt.Sprintf("docker context %q", name)}
	existing := func(name string) string {
		f := filepath.Join(root, "tls", id, "docker", name)
		if _, err := os.Stat(f); err != nil {
			return ""
		}
		return f
	}
	p.tls = tlsFiles{ca: existing("ca.pem"), cert: existing("cert.pem"), key: existing("key.pem")}
	return p, nil
}

// reason is an error without the path that the sentence around it has no room for.
func reason(err error) string {
	if errors.Is(err, os.ErrNotExist) {
		return "there is none of that name."
	}
	return err.Error() + "."
}

// local tells whether the engine shares this machine.
func (p place) local() bool {
	return strings.HasPrefix(p.address, "unix://") || strings.HasPrefix(p.address, "npipe://")
}

// maxIdle is how many connections are kept for the next call: as many as a supervisor makes at once.
const maxIdle = 64

// connect prepares a client; nothing is sent yet.
func (p place) connect(env environment) (*client.Client, error) {
	transport := &http.Transport{
		MaxIdleConns: maxIdle, MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: time.Minute,
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}, // HTTP/1.1 alone: the engine upgrades connections
	}
	opts := []client.Opt{client.WithHTTPClient(&http.Client{Transport: transport, CheckRedirect: client.CheckRedirect})}
	if strings.HasPrefix(p.address, "ssh://") {
		dial, err := sshDialer(p.address)
		if err != nil {
			return nil, err
		}
		opts = append(opts, client.WithHost("http://docker.example.com"), client.WithDialContext(dial))
	} else {
		opts = append(opts, client.WithHost(p.address))
	}
	switch {
	case p.tls != (tlsFiles{}):
		opts = append(opts, client.WithTLSClientConfig(p.tls.ca, p.tls.cert, p.tls.key))
	case env["DOCKER_TLS_VERIFY"] != "" && p.origin == "DOCKER_HOST" && !p.local():
		dir := env["DOCKER_CERT_PATH"]
		if dir == "" {
			dir = env.configDir()
		}
		opts = append(opts, client.WithTLSClientConfig(filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")))
	}
	if v := env["DOCKER_API_VERSION"]; v != "" {
		opts = append(opts, client.WithAPIVersion(v))
	}
	return client.New(opts...)
}

// engineError says why an engine cannot be talked to, and what to do.
func engineError(address string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	e := &runner.Error{Kind: runner.ErrEngine, Err: err}
	var dns *net.DNSError
	silent := client.IsErrConnectionFailed(err) && !errors.As(err, &dns) && !strings.Contains(err.Error(), "during connect") && !strings.Contains(err.Error(), "TLS")
	switch {
	case errors.Is(err, syscall.EACCES) || strings.Contains(err.Error(), "permission denied"):
		e.Msg = "permission denied for the Docker engine at " + address + "."
		e.Hint = "Add yourself to the group that owns the socket (`sudo usermod -aG docker $USER`, then log in again)."
	case errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED) || silent:
		e.Msg = "no Docker engine answers at " + address + "."
		e.Hint = startHint(address)
	default:
		e.Msg = "the Docker engine at " + address + " cannot be reached: " + oneLine(err.Error()) + "."
		e.Hint = startHint(address)
	}
	return e
}

func startHint(address string) string {
	if address == client.DefaultDockerHost {
		return "Start it (`sudo systemctl start docker`, or Docker Desktop), or name another one with DOCKER_HOST or `docker context use`."
	}
	return "Start the engine there, or name another one with DOCKER_HOST or `docker context use`."
}
