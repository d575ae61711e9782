package decode

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Schemas name what a project reads its messages by. The files are read when a Decoder is first asked for, and again when
// they have changed since. It is safe for concurrent use.
type Schemas struct {
	protos   []string
	types    map[string]string
	registry *Registry

	mu      sync.Mutex
	decoder *Decoder
	stamp   string    // of the files that the decoder was made of
	looked  time.Time // when they were last looked at
}

// schemasLook is how long files are taken to be as they were.
const schemasLook = 2 * time.Second

// NewSchemas takes folders, .proto files and descriptor sets, the message of each topic, queue, exchange or routing key,
// and a registry; each may be missing.
func NewSchemas(protos []string, types map[string]string, registry *Registry) *Schemas {
	return &Schemas{protos: slices.Clone(protos), types: maps.Clone(types), registry: registry}
}

// With are these schemas and more; a registry takes the place of the one there is. A nil Schemas has none.
func (s *Schemas) With(protos []string, types map[string]string, registry *Registry) *Schemas {
	if s == nil {
		return NewSchemas(protos, types, registry)
	}
	all := NewSchemas(slices.Concat(s.protos, protos), s.types, cmp.Or(registry, s.registry))
	if all.types == nil {
		all.types = map[string]string{}
	}
	maps.Copy(all.types, types)
	return all
}

// Same tells whether both name the same.
func (s *Schemas) Same(other *Schemas) bool {
	if s == nil || other == nil {
		return s == other
	}
	return slices.Equal(s.protos, other.protos) && maps.Equal(s.types, other.types) && (s.registry == nil) == (other.registry == nil)
}

// Any tells whether anything is named.
func (s *Schemas) Any() bool { return s != nil && (len(s.protos) > 0 || s.registry != nil) }

// Decoder reads bodies by what the files say now. Where one of them is wrong the others count, and Decoder.Trouble says what
// it is. A nil Schemas has a Decoder without any.
func (s *Schemas) Decoder(ctx context.Context) *Decoder {
	if s == nil {
		return &Decoder{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.decoder != nil && time.Since(s.looked) < schemasLook {
		return s.decoder
	}
	stamp := stampOf(s.protos)
	s.looked = time.Now()
	if s.decoder != nil && stamp == s.stamp {
		return s.decoder
	}
	d := &Decoder{Types: s.types, Registry: s.registry}
	if len(s.protos) > 0 {
		protos, err := LoadProtos(ctx, s.protos...)
		if d.Protos = protos; err != nil {
			d.Trouble = strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		if ctx.Err() != nil { // says nothing of the files
			return d
		}
	}
	s.decoder, s.stamp = d, stamp
	return d
}

// stampOf changes when one of the files does.
func stampOf(paths []string) string {
	var b strings.Builder
	for _, path := range paths {
		err := filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || file != path && filepath.Ext(file) != ".proto" {
				return err
			}
			info, err := entry.Info()
			if err == nil {
				fmt.Fprintln(&b, file, info.Size(), info.ModTime().UnixNano())
			}
			return err
		})
		if err != nil {
			fmt.Fprintln(&b, err)
		}
	}
	return b.String()
}
