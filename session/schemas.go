package session

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	bodies "msdev/brokers/decode"
	"msdev/runner"
)

// schemas are what messages are read by: the settings, what filters here make of them, and the way to the registry, which
// may be a service of the graph and so is asked through the session by all.
type schemas struct {
	mu    sync.Mutex
	names schemaNames
	here  *bodies.Schemas
	proxy http.Handler // nil: there is no registry
}

// schemaNames are where a project's schemas are, as x-msdev says.
type schemaNames struct {
	Protos   []string          `json:"protos,omitempty"` // absolute paths
	Types    map[string]string `json:"types,omitempty"`
	Registry bool              `json:"registry,omitempty"` // there is one
}

// registryPath is where the door answers for the schema registry.
const registryPath = "/registry/"

// useSchemas goes on with the schemas of a project.
func (s *Session) useSchemas(p *runner.Project) error {
	var names schemaNames
	add := func(paths []string) {
		for _, path := range paths {
			if !filepath.IsAbs(path) {
				path = filepath.Join(p.Dir, path)
			}
			if !slices.Contains(names.Protos, path) {
				names.Protos = append(names.Protos, path)
			}
		}
	}
	add(p.Settings.Protos)
	for _, name := range p.Order {
		add(p.Services[name].Protos)
	}
	names.Types = p.Settings.Types
	var registry *bodies.Registry
	var proxy http.Handler
	if address := p.Settings.Registry; address != "" {
		transport := &http.Transport{DialContext: s.dialer(p, "")}
		var err error
		if registry, err = bodies.NewRegistry(address, transport); err != nil {
			msg, hint, _ := strings.Cut(err.Error(), "\n")
			return &runner.Error{Kind: runner.ErrUsage, Msg: fmt.Sprintf("%s: %s", p.Place("x-msdev", "registry"), msg), Hint: hint}
		}
		if proxy, err = registryProxy(address, transport); err != nil {
			return err
		}
		names.Registry = true
	}
	s.schemas.mu.Lock()
	defer s.schemas.mu.Unlock()
	s.schemas.names, s.schemas.here, s.schemas.proxy = names, bodies.NewSchemas(names.Protos, names.Types, registry), proxy
	return nil
}

// registryProxy hands questions for schemas on to the registry, with the credentials that its address holds.
func registryProxy(address string, transport http.RoundTripper) (http.Handler, error) {
	to, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	user := to.User
	to.User = nil
	return http.StripPrefix(strings.TrimSuffix(registryPath, "/"), &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		if password, _ := user.Password(); user != nil {
			r.Out.SetBasicAuth(user.Username(), password)
		}
	}}), nil
}

// decoder reads bodies by the project's schemas as they are now.
func (s *Session) decoder(ctx context.Context) *bodies.Decoder {
	s.schemas.mu.Lock()
	here := s.schemas.here
	s.schemas.mu.Unlock()
	return here.Decoder(ctx)
}

func (s *Session) serveSchemas(w http.ResponseWriter, _ *http.Request) {
	s.schemas.mu.Lock()
	defer s.schemas.mu.Unlock()
	reply(w, s.schemas.names, nil)
}

func (s *Session) serveRegistry(w http.ResponseWriter, r *http.Request) {
	s.schemas.mu.Lock()
	proxy := s.schemas.proxy
	s.schemas.mu.Unlock()
	if proxy == nil {
		http.Error(w, "the project has no schema registry", http.StatusNotFound)
		return
	}
	proxy.ServeHTTP(w, r)
}

// Schemas are what the project's messages are read by. The files are read here; a registry is asked through the session,
// which knows the way to it.
func (c *Client) Schemas(ctx context.Context) (*bodies.Schemas, error) {
	var names schemaNames
	if err := c.call(ctx, "/schemas", nil, &names); err != nil {
		return nil, err
	}
	var registry *bodies.Registry
	if names.Registry {
		var err error
		if registry, err = bodies.NewRegistry("http://session"+registryPath, c.http.Transport); err != nil {
			return nil, fmt.Errorf("the way to the schema registry: %w", err)
		}
	}
	return bodies.NewSchemas(names.Protos, names.Types, registry), nil
}
