package decode

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/avro"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Registry asks a schema registry of Confluent's interface for schemas by id. Schemas never change, so each is asked
// for once. It is safe for concurrent use.
type Registry struct {
	base   *url.URL
	client *http.Client
	mu     sync.Mutex
	known  map[uint32]*entry
}

const (
	registryTimeout = 3 * time.Second
	registryRetry   = 10 * time.Second // how long a failed answer stands
	mostSchemaBytes = 4 << 20
	mostReferences  = 100
)

// NewRegistry takes the registry's address; a user and password may stand in it. by carries the questions; nil is the usual way.
func NewRegistry(address string, by http.RoundTripper) (*Registry, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("the schema registry's address is no URL\nWrite it like http://localhost:8081.")
	}
	return &Registry{base: u, client: &http.Client{Timeout: registryTimeout, Transport: by}, known: map[uint32]*entry{}}, nil
}

// entry is a schema that is known or under way; done is closed when the other fields are set.
type entry struct {
	done   chan struct{}
	schema *schema
	err    error
	until  time.Time // when an error may be asked about again
}

// schema is one of the three kinds: avro, files with the .proto of the name file, or plain JSON where both are nil.
type schema struct {
	avro  *avro.Schema
	files *Protos
	file  protoreflect.FileDescriptor
}

func (r *Registry) schema(ctx context.Context, id uint32) (*schema, error) {
	r.mu.Lock()
	e := r.known[id]
	mine := e == nil || !e.until.IsZero() && time.Now().After(e.until)
	if mine {
		e = &entry{done: make(chan struct{})}
		r.known[id] = e
	}
	r.mu.Unlock()
	if !mine {
		select {
		case <-e.done:
			return e.schema, e.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	s, err := r.load(ctx, id)
	r.mu.Lock()
	e.schema, e.err = s, err
	switch {
	case ctx.Err() != nil: // says nothing of the registry
		e.until = time.Now()
	case err != nil:
		e.until = time.Now().Add(registryRetry)
	}
	r.mu.Unlock()
	close(e.done)
	return s, err
}

// answer is what the registry says of a schema, by id or by subject and version.
type answer struct {
	Type       string `json:"schemaType"` // "" is AVRO
	Schema     string
	References []struct {
		Name    string
		Subject string
		Version int
	}
}

func (r *Registry) get(ctx context.Context, path ...string) (*answer, error) {
	u := r.base.JoinPath(path...)
	user := u.User
	u.User = nil
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	if password, _ := user.Password(); user != nil {
		req.SetBasicAuth(user.Username(), password)
	}
	res, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the schema registry answers %s to %s", res.Status, u.Path)
	}
	var a answer
	if err := json.NewDecoder(io.LimitReader(res.Body, mostSchemaBytes)).Decode(&a); err != nil {
		return nil, fmt.Errorf("the schema registry's answer to %s is not read: %w", u.Path, err)
	}
	return &a, nil
}

func (r *Registry) load(ctx context.Context, id uint32) (*schema, error) {
	top, err := r.get(ctx, "schemas", "ids", strconv.FormatUint(uint64(id), 10))
	if err != nil {
		return nil, err
	}
	g := gathering{registry: r, texts: map[string]string{}}
	if err := g.references(ctx, top); err != nil {
		return nil, err
	}
	switch strings.ToUpper(top.Type) {
	case "", "AVRO":
		return g.avro(top.Schema)
	case "PROTOBUF":
		return g.protobuf(ctx, top.Schema)
	case "JSON":
		return &schema{}, nil
	}
	return nil, fmt.Errorf("schema %d is of a kind called %q", id, top.Type)
}

// gathering collects the schemas that a schema refers to, those without references of their own first.
type gathering struct {
	registry *Registry
	order    []string
	texts    map[string]string
}

func (g *gathering) references(ctx context.Context, of *answer) error {
	for _, ref := range of.References {
		if _, seen := g.texts[ref.Name]; seen {
			continue
		}
		if len(g.texts) == mostReferences {
			return fmt.Errorf("the schema refers to more than %d others", mostReferences)
		}
		g.texts[ref.Name] = ""
		a, err := g.registry.get(ctx, "subjects", url.PathEscape(ref.Subject), "versions", strconv.Itoa(ref.Version))
		if err != nil {
			return err
		}
		g.texts[ref.Name] = a.Schema
		if err := g.references(ctx, a); err != nil {
			return err
		}
		g.order = append(g.order, ref.Name)
	}
	return nil
}

func (g *gathering) avro(text string) (*schema, error) {
	var cache avro.SchemaCache
	for _, name := range g.order {
		if _, err := cache.Parse(g.texts[name]); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
	}
	s, err := cache.Parse(text)
	return &schema{avro: s}, err
}

func (g *gathering) protobuf(ctx context.Context, text string) (*schema, error) {
	const top = "schema.proto"
	g.texts[top] = text
	p := &Protos{files: new(protoregistry.Files), messages: map[string]protoreflect.MessageDescriptor{}}
	from := &protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(g.texts)}
	if err := p.compile(ctx, from, []string{top}); err != nil {
		return nil, err
	}
	file, err := p.files.FindFileByPath(top)
	return &schema{files: p, file: file}, err
}

// message finds a message by its path of indexes, outermost first.
func (s *schema) message(path []int) (protoreflect.MessageDescriptor, error) {
	all := s.file.Messages()
	var m protoreflect.MessageDescriptor
	for _, i := range path {
		if i >= all.Len() {
			return nil, fmt.Errorf("the schema has no message %v", path)
		}
		m = all.Get(i)
		all = m.Messages()
	}
	return m, nil
}

// confluent reads Confluent's wire format: a zero, the schema's id in four bytes, and a body of that schema
// (docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop).
func (a *attempt) confluent(ctx context.Context) (Result, bool) {
	id, rest := binary.BigEndian.Uint32(a.Body[1:]), a.Body[5:]
	reason := fmt.Sprintf("Confluent wire format, schema %d", id)
	err := errors.New("no schema registry is configured")
	var s *schema
	if a.Registry != nil {
		s, err = a.Registry.schema(ctx, id)
	}
	if err == nil {
		var r Result
		if r, err = a.registered(s, rest, reason); err == nil {
			return r, true
		}
	}
	inner := &attempt{Decoder: a.Decoder, Input: Input{Body: rest}, limit: a.limit}
	r, ok := inner.json(reason)
	if !ok {
		if _, body, indexErr := messageIndexes(rest); indexErr == nil {
			inner.Body = body
			r, ok = inner.onlyFit()
		}
	}
	if ok || a.Registry != nil {
		a.problem("schema %d: %v", id, err)
	}
	return r, ok
}

func (a *attempt) registered(s *schema, b []byte, reason string) (Result, error) {
	switch {
	case s.avro != nil:
		return a.avroValue(s.avro, b, reason)
	case s.file == nil:
		inner := &attempt{Decoder: a.Decoder, Input: Input{Body: b}, limit: a.limit}
		if r, ok := inner.json(reason); ok {
			return r, nil
		}
		return Result{}, errors.New("the body is not JSON")
	}
	path, b, err := messageIndexes(b)
	if err != nil {
		return Result{}, err
	}
	m, err := s.message(path)
	if err != nil {
		return Result{}, err
	}
	if r, ok := a.message(m, s.files.files, b, reason); ok {
		return r, nil
	}
	return Result{}, fmt.Errorf("the body is not a %s", m.FullName())
}
