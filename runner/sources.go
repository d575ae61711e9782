package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"
)

// sources are the YAML trees of the files that make a project, kept to tell where something stands.
type sources struct {
	workDir string // where the user stands: what names of files are relative to
	files   []source
	given   int // the first files are the project's own; the others are included or extended by them
}

type source struct {
	path    string
	content []byte
	docs    []*yaml.Node
}

// position is a line of a file.
type position struct {
	file string // as users are shown it
	line int    // 0: not known
}

// String is "compose.yaml:14".
func (p position) String() string {
	if p.line == 0 {
		return p.file
	}
	return fmt.Sprintf("%s:%d", p.file, p.line)
}

// readSources reads and parses the project's files, and those that they include or extend as far as they can be read.
func readSources(at *found) (*sources, error) {
	s := &sources{workDir: at.workDir, given: len(at.files)}
	for _, path := range at.files {
		if err := s.read(path); err != nil {
			return nil, err
		}
	}
	if at.text != "" {
		s.given = 1
		if err := s.parse(filepath.Join(at.dir, "compose.yaml"), []byte(at.text)); err != nil {
			return nil, err
		}
	}
	lookup := func(name string) (string, bool) { v, ok := at.env[name]; return v, ok }
	for i := 0; i < len(s.files); i++ { // grows on the way
		dir := filepath.Dir(s.files[i].path)
		if i < s.given {
			dir = at.dir
		}
		for _, name := range s.files[i].references() {
			name, err := template.SubstituteWithOptions(name, lookup, template.WithoutLogging)
			if err != nil || name == "" {
				continue
			}
			if err := s.follow(dir, name); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// follow reads a file that another one names, if it is there; compose-go tells what is wrong where it is not.
func (s *sources) follow(dir, name string) error {
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	info, err := os.Stat(name)
	if there := err == nil && info.Mode().IsRegular(); there && !s.has(name) {
		return s.read(name)
	}
	return nil
}

func (s *sources) has(path string) bool {
	return slices.ContainsFunc(s.files, func(f source) bool { return f.path == path })
}

var yamlLine = regexp.MustCompile(`line (\d+)(?:, column \d+)?:\s*`)

func (s *sources) read(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return fileError("compose file", s.show(path), path, err)
	}
	return s.parse(path, content)
}

func (s *sources) parse(path string, content []byte) error {
	f := source{path: path, content: content}
	dec := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s.yamlError(path, err)
		}
		f.docs = append(f.docs, &doc)
	}
	s.files = append(s.files, f)
	return nil
}

// yamlError turns the YAML parser's "yaml: line 3: text" into "file:3: text".
func (s *sources) yamlError(path string, err error) *Error {
	at := position{file: s.show(path)}
	text := strings.TrimSpace(strings.NewReplacer("yaml: ", "", "unmarshal errors:", "", "construct errors:", "").Replace(err.Error()))
	for m := yamlLine.FindStringSubmatchIndex(text); m != nil; m = yamlLine.FindStringSubmatchIndex(text) { // the last one is the exact one
		at.line, _ = strconv.Atoi(text[m[2]:m[3]])
		text = text[:m[0]] + text[m[1]:]
	}
	text, _, _ = strings.Cut(text, "\n")
	e := s.fail(at, "this is not valid YAML: %s", text)
	e.Hint = "Look at this line and the one before it: indentation by spaces, a colon and a space after each key, quotes closed."
	if strings.Contains(text, "already defined") {
		e.Hint = "A key may be there only once: merge the two."
	}
	e.Err = err
	return e
}

func (s *sources) configFiles() []types.ConfigFile {
	files := make([]types.ConfigFile, s.given)
	for i := range files {
		files[i] = types.ConfigFile{Filename: s.files[i].path, Content: s.files[i].content}
	}
	return files
}

// named tells whether a file of the project gives its name.
func (s *sources) named() bool {
	name, _ := s.name()
	return name != ""
}

// name returns `name:` as it is written, from the last file that has it.
func (s *sources) name() (string, position) {
	for _, f := range slices.Backward(s.files[:s.given]) {
		if n := deref(f.lookup("name")); n != nil && n.Value != "" {
			return n.Value, position{s.show(f.path), n.Line}
		}
	}
	return "", s.find()
}

// serviceOrder returns the names of all services as they follow each other in the files.
func (s *sources) serviceOrder() []string {
	var names []string
	for _, f := range s.files {
		services := f.lookup("services")
		if services == nil || services.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(services.Content); i += 2 {
			if name := services.Content[i].Value; !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// show is a file's name as the user would type it.
func (s *sources) show(path string) string { return show(s.workDir, path) }

func show(workDir, path string) string {
	rel, err := filepath.Rel(workDir, path)
	if err != nil || strings.HasPrefix(rel, filepath.Join("..", "..", "..")) {
		return path
	}
	return rel
}

// find returns where the given path of the model stands: the last file that has it wins, as in merging. Of a path that is
// written differently or comes from elsewhere, it finds the part that is there.
func (s *sources) find(path ...string) position {
	f, line := s.locate(path)
	return position{s.show(f.path), line}
}

// file is the path of the file that find names.
func (s *sources) file(path ...string) string {
	f, _ := s.locate(path)
	return f.path
}

func (s *sources) locate(path []string) (in source, line int) {
	for n := len(path); n > 0; n-- {
		for i := len(s.files) - 1; i >= 0; i-- {
			f := s.files[(i+s.given)%len(s.files)]
			if node := f.key(path[:n]...); node != nil {
				return f, node.Line
			}
		}
	}
	return s.files[0], 0
}

// findValue returns where below path a value stands that match accepts; otherwise where path stands.
func (s *sources) findValue(match func(string) bool, path ...string) position {
	for _, f := range s.files {
		if node := scalar(f.lookup(path...), match); node != nil {
			return position{s.show(f.path), node.Line}
		}
	}
	return s.find(path...)
}

// fail is an error about a place in the files.
func (s *sources) fail(at position, format string, args ...any) *Error {
	return &Error{Kind: ErrUsage, Msg: at.String() + ": " + fmt.Sprintf(format, args...)}
}

var unsetVariable = regexp.MustCompile(`^The "(\w+)" variable is not set`)

// place puts the place where a variable is used before each warning that it is not set.
func (s *sources) place(warnings []string) []string {
	placed := make([]string, 0, len(warnings))
	for _, w := range warnings {
		if m := unsetVariable.FindStringSubmatch(w); m != nil {
			w = s.findValue(uses(m[1])).String() + ": " + w
		} else if file, text, ok := strings.Cut(w, ": "); ok && s.has(file) {
			w = s.show(file) + ": " + text
		}
		placed = append(placed, w)
	}
	return placed
}

// uses matches texts in which a variable is substituted.
func uses(variable string) func(string) bool {
	re := regexp.MustCompile(`\$\{?` + regexp.QuoteMeta(variable) + `\b`)
	return re.MatchString
}

// references are the files that this one includes or extends, as they are written.
func (f *source) references() []string {
	var names []string
	add := func(n *yaml.Node) {
		for _, n := range flatten(n) {
			if n.Kind == yaml.ScalarNode {
				names = append(names, n.Value)
			}
		}
	}
	for _, entry := range flatten(f.lookup("include")) {
		if path := child(entry, "path"); path != nil {
			add(path)
		} else {
			add(entry)
		}
	}
	if services := deref(f.lookup("services")); services != nil && services.Kind == yaml.MappingNode {
		for i := 1; i < len(services.Content); i += 2 {
			add(child(child(services.Content[i], "extends"), "file"))
		}
	}
	return names
}

// lookup returns the value at a path in any of the file's documents, or nil.
func (f *source) lookup(path ...string) *yaml.Node {
	_, value := f.walk(path)
	return value
}

// key returns the node to point at for a path: its key, or the item of a list.
func (f *source) key(path ...string) *yaml.Node {
	key, _ := f.walk(path)
	return key
}

func (f *source) walk(path []string) (key, value *yaml.Node) {
	for _, doc := range f.docs {
		if len(doc.Content) == 0 {
			continue
		}
		key, value = doc.Content[0], doc.Content[0]
		for _, name := range path {
			if key, value = entry(value, name); value == nil {
				break
			}
		}
		if value != nil {
			return key, value
		}
	}
	return nil, nil
}

// entry returns key and value of a mapping, or an item of a list of "name", "name=value" or by its index. Merge keys count.
func entry(n *yaml.Node, name string) (key, value *yaml.Node) {
	n = deref(n)
	if n == nil {
		return nil, nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		return mapped(n, name)
	case yaml.SequenceNode:
		for i, item := range n.Content {
			if item.Value == name || strings.HasPrefix(item.Value, name+"=") || strconv.Itoa(i) == name {
				return item, item
			}
		}
	}
	return nil, nil
}

// mapped looks a key up in a mapping: its own keys first, then those that it merges in.
func mapped(n *yaml.Node, name string) (key, value *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i], n.Content[i+1]
		}
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value != "<<" {
			continue
		}
		for _, merged := range flatten(n.Content[i+1]) {
			if key, value = entry(merged, name); value != nil {
				return key, value
			}
		}
	}
	return nil, nil
}

func child(n *yaml.Node, name string) *yaml.Node {
	if n = deref(n); n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	_, value := entry(n, name)
	return value
}

// flatten returns the items of a list, or the node itself; nothing for nil.
func flatten(n *yaml.Node) []*yaml.Node {
	n = deref(n)
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.SequenceNode:
		return n.Content
	default:
		return []*yaml.Node{n}
	}
}

func deref(n *yaml.Node) *yaml.Node {
	for n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// scalar returns the first scalar of a tree that match accepts. It does not follow aliases, so it ends.
func scalar(n *yaml.Node, match func(string) bool) *yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.ScalarNode && match(n.Value) {
		return n
	}
	for _, c := range n.Content {
		if found := scalar(c, match); found != nil {
			return found
		}
	}
	return nil
}
