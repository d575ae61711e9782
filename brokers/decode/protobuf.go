package decode

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Protos are the Protobuf messages that a project knows. It is safe for concurrent use.
type Protos struct {
	files    *protoregistry.Files
	messages map[string]protoreflect.MessageDescriptor
}

// LoadProtos reads .proto files, folders of them (each folder is an import path) and compiled descriptor sets.
// A file that does not compile does not take the others with it: what could be read comes back beside the error,
// which names file and line.
func LoadProtos(ctx context.Context, paths ...string) (*Protos, error) {
	p := &Protos{files: new(protoregistry.Files), messages: map[string]protoreflect.MessageDescriptor{}}
	var roots, sources []string
	var failed []error
	for _, path := range paths {
		root, found, err := protoSources(path)
		switch {
		case err != nil:
			failed = append(failed, err)
		case root == "":
			failed = append(failed, p.loadSet(path))
		default:
			roots, sources = append(roots, root), append(sources, found...)
		}
	}
	failed = append(failed, p.compile(ctx, &protocompile.SourceResolver{ImportPaths: roots}, sources))
	return p, errors.Join(failed...)
}

// protoSources lists the .proto files of a path, relative to the root that their imports are relative to. A root of
// "" says that the path is a descriptor set.
func protoSources(path string) (root string, sources []string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", nil, fmt.Errorf("protos %s: %w\nGive a folder of .proto files, a .proto file or a descriptor set.", path, err)
	}
	if !info.IsDir() {
		if filepath.Ext(path) != ".proto" {
			return "", nil, nil
		}
		return filepath.Dir(path), []string{filepath.Base(path)}, nil
	}
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(file) == ".proto" {
			relative, relErr := filepath.Rel(path, file)
			sources = append(sources, filepath.ToSlash(relative))
			return relErr
		}
		return err
	})
	return path, sources, err
}

func (p *Protos) loadSet(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(b, &set); err != nil || len(set.File) == 0 {
		return fmt.Errorf("%s is not a descriptor set\nMake one with protoc --include_imports --descriptor_set_out=FILE, or buf build -o FILE.", path)
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return fmt.Errorf("%s: %w\nMake it with --include_imports.", path, err)
	}
	files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		p.add(f)
		return true
	})
	return nil
}

// compile adds sources, together if all is well, and else one by one.
func (p *Protos) compile(ctx context.Context, from protocompile.Resolver, sources []string) error {
	if len(sources) == 0 {
		return nil
	}
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(from)}
	files, err := c.Compile(ctx, sources...)
	if err == nil {
		for _, f := range files {
			p.add(f)
		}
		return nil
	}
	if len(sources) == 1 || ctx.Err() != nil {
		return fmt.Errorf("protobuf: %w", err)
	}
	var failed []error
	for _, source := range sources {
		failed = append(failed, p.compile(ctx, from, []string{source}))
	}
	return errors.Join(failed...)
}

// add registers a file after what it imports. A path that is known already stays as it is.
func (p *Protos) add(f protoreflect.FileDescriptor) {
	if _, err := p.files.FindFileByPath(f.Path()); err == nil {
		return
	}
	for i := range f.Imports().Len() {
		p.add(f.Imports().Get(i).FileDescriptor)
	}
	if f.IsPlaceholder() || p.files.RegisterFile(f) != nil {
		return
	}
	if !strings.HasPrefix(string(f.Package()), "google.protobuf") {
		p.addMessages(f.Messages())
	}
}

func (p *Protos) addMessages(all protoreflect.MessageDescriptors) {
	for i := range all.Len() {
		if m := all.Get(i); !m.IsMapEntry() {
			p.messages[string(m.FullName())] = m
			p.addMessages(m.Messages())
		}
	}
}

func (p *Protos) has(name string) bool { return p.messages[name] != nil }

// Messages lists the full names of all messages, sorted.
func (p *Protos) Messages() []string {
	names := make([]string, 0, len(p.messages))
	for name := range p.messages {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// protobuf decodes b as the named message; where it is not one, the field tree says what is there.
func (a *attempt) protobuf(name string, b []byte, reason string) (Result, bool) {
	m, ok := a.Protos.messages[name]
	if !ok {
		a.problem("no .proto defines %s", name)
		return a.fieldTree(b, reason)
	}
	return a.message(m, a.Protos.files, b, reason)
}

func (a *attempt) message(d protoreflect.MessageDescriptor, files *protoregistry.Files, b []byte, reason string) (Result, bool) {
	m := dynamicpb.NewMessage(d)
	types := dynamicpb.NewTypes(files)
	if err := (proto.UnmarshalOptions{Resolver: types, AllowPartial: true}).Unmarshal(b, m); err != nil {
		a.problem("it is not a %s: %v", d.FullName(), err)
		return a.fieldTree(b, reason)
	}
	if n := unknown(m); n > 0 {
		a.problem("%d bytes are of fields that %s does not have", n, d.FullName())
	}
	out, err := protojson.MarshalOptions{Resolver: types, AllowPartial: true, UseProtoNames: true}.Marshal(m)
	if err != nil {
		a.problem("%v", err)
		return a.fieldTree(b, reason)
	}
	return a.structured(Protobuf, string(d.FullName()), reason, out), true
}

// unknown counts the bytes of fields that the descriptors lack, at any depth.
func unknown(m protoreflect.Message) int {
	n := len(m.GetUnknown())
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap() && f.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				n += unknown(v.Message())
				return true
			})
		case f.IsList() && f.Message() != nil:
			for i := range v.List().Len() {
				n += unknown(v.List().Get(i).Message())
			}
		case !f.IsMap() && f.Message() != nil:
			n += unknown(v.Message())
		}
		return true
	})
	return n
}

// mostCandidates bounds how many messages a body is tried against when nothing names its type.
const mostCandidates = 500

// onlyFit takes a body for the one known message that accounts for every byte of it. Several that do are told.
func (a *attempt) onlyFit() (Result, bool) {
	if a.Protos == nil || len(a.Protos.messages) > mostCandidates {
		return Result{}, false
	}
	var fits []string
	for _, name := range a.Protos.Messages() {
		m := dynamicpb.NewMessage(a.Protos.messages[name])
		if proto.Unmarshal(a.Body, m) == nil && unknown(m) == 0 && proto.Size(m) == len(a.Body) {
			fits = append(fits, name)
		}
	}
	switch len(fits) {
	case 0:
		return Result{}, false
	case 1:
		return a.protobuf(fits[0], a.Body, "guess: the only known message that fits to the last byte")
	}
	a.problem("it fits %s: say which one this topic or queue carries", strings.Join(fits[:min(len(fits), 5)], ", "))
	return a.fieldTree(a.Body, "guess: it parses as Protobuf fields to the last byte")
}
