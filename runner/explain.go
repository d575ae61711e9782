package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/schema"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/tree"
)

// explain turns an error of compose-go into one that names file and line, and the way out where one is known.
func (s *sources) explain(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	text := strings.TrimSpace(err.Error())
	for _, rule := range []func(string, error) *Error{
		s.requiredVariable, s.badTemplate, s.badSchema, s.badYAML, s.missingEnvFile, s.badExtends, s.badPort, s.missingFile,
	} {
		if e = rule(text, err); e != nil {
			break
		}
	}
	if e == nil {
		if _, list, ok := strings.Cut(text, "decoding failed due to the following error(s):\n\n"); ok {
			text = list
			if m := undecoded.FindStringSubmatch(list); m != nil {
				text = strings.Join(s.segments(m[1]), ".") + ": " + strings.TrimPrefix(m[2], "time: ")
			}
		}
		first, _, _ := strings.Cut(text, "\n")
		e = s.fail(s.mentioned(text), "%s", strings.TrimSuffix(first, ": invalid compose project"))
	}
	e.Err = err
	return e
}

// mentioned finds the first path of the model that a text names.
func (s *sources) mentioned(text string) position {
	if m := mentionedPath.FindString(text); m != "" {
		return s.findDotted(strings.Trim(m, ".:"))
	}
	if word, _, _ := strings.Cut(text, " "); s.known(strings.TrimSuffix(word, ":")) {
		return s.findDotted(strings.TrimSuffix(word, ":"))
	}
	if m := mentionedService.FindStringSubmatch(text); m != nil {
		return s.find("services", m[1])
	}
	return s.find()
}

var (
	mentionedPath    = regexp.MustCompile(`\b(?:services|networks|volumes|secrets|configs|include)[.\[][\w.\-\[\]]+`)
	mentionedService = regexp.MustCompile(`\bservice "?([\w.\-]+)"?`)
	interpolating    = regexp.MustCompile(`error while interpolating (\S+): (.*)`)
	invalidTemplate  = regexp.MustCompile(`(?s)invalid interpolation format for (\S+)\.\n.*\n(.*)`)
	invalidSchema    = regexp.MustCompile(`(?s)^validating (.+?): (\S*) ?(.*)$`)
	unknownKeys      = regexp.MustCompile(`^additional properties (.+) not allowed$`)
	quoted           = regexp.MustCompile(`'([^']*)'`)
	unparsed         = regexp.MustCompile(`(?s)^failed to parse (.+?): (.*)$`)
	noEnvFile        = regexp.MustCompile(`^(env|label) file (.+) not found`)
	noExtended       = regexp.MustCompile(`^cannot extend service "(.+?)" in .+: service "(.+?)" not found`)
	undecoded        = regexp.MustCompile(`^'([^']+)' (.*)`)
	circular         = regexp.MustCompile(`(?s)^Circular reference:\n(.*)$`)
)

// segments splits a path of the model, as compose-go writes it, into the names that the files have. Names may have dots.
func (s *sources) segments(dotted string) []string {
	dotted = strings.NewReplacer("[]", "", "[", ".", "]", "").Replace(dotted)
	parts := strings.FieldsFunc(dotted, func(r rune) bool { return r == '.' })
	var path []string
	for len(parts) > 0 {
		n := 1
		for ; n <= len(parts); n++ {
			if s.known(append(slices.Clone(path), strings.Join(parts[:n], "."))...) {
				break
			}
		}
		if n > len(parts) {
			n = 1
		}
		path = append(path, strings.Join(parts[:n], "."))
		parts = parts[n:]
	}
	return path
}

func (s *sources) known(path ...string) bool {
	return slices.ContainsFunc(s.files, func(f source) bool { return f.key(path...) != nil })
}

func (s *sources) findDotted(path string) position { return s.find(s.segments(path)...) }

func (s *sources) requiredVariable(text string, err error) *Error {
	var missing *template.MissingRequiredError
	if !errors.As(err, &missing) {
		return nil
	}
	at := s.find()
	if m := interpolating.FindStringSubmatch(text); m != nil {
		at = s.findValue(uses(missing.Variable), s.segments(m[1])...)
	}
	e := s.fail(at, "the required variable %s is not set", missing.Variable)
	if missing.Reason != "" {
		e.Msg += ": " + missing.Reason
	}
	e.Hint = fmt.Sprintf("Set it in the environment or in .env: %s=…", missing.Variable)
	return e
}

func (s *sources) badTemplate(text string, _ error) *Error {
	if m := invalidTemplate.FindStringSubmatch(text); m != nil {
		path := s.segments(m[1])
		e := s.fail(s.findValue(func(v string) bool { return strings.Contains(v, "$") }, path...), "%s: %s is no valid use of a variable", m[1], strings.TrimSpace(m[2]))
		e.Hint = "Write ${NAME}, ${NAME:-default} or ${NAME:?message}; a $ that is to stay is written $$."
		return e
	}
	if m := interpolating.FindStringSubmatch(text); m != nil {
		return s.fail(s.findDotted(m[1]), "%s: %s", m[1], m[2])
	}
	return nil
}

func (s *sources) badSchema(text string, _ error) *Error {
	m := invalidSchema.FindStringSubmatch(text)
	if m == nil || !filepath.IsAbs(m[1]) {
		return nil
	}
	dotted, what := m[2], m[3]
	keys := unknownKeys.FindStringSubmatch(what)
	if what == "false schema" { // the last name of the path is the key that is not allowed
		path := s.segments(dotted)
		return s.unknownKey(path[:len(path)-1], path[len(path)-1])
	}
	if keys == nil {
		if words, ok := strings.CutPrefix(what, "must be a "); ok {
			what = "must be " + plainType(words)
		}
		if dotted == "" {
			dotted = "the file"
		}
		return s.fail(s.findDotted(m[2]), "%s %s", dotted, what)
	}
	return s.unknownKey(s.segments(dotted), quoted.FindStringSubmatch(keys[1])[1])
}

func (s *sources) unknownKey(path []string, key string) *Error {
	in := strings.Join(path, ".")
	if in != "" {
		in += ": "
	}
	e := s.fail(s.find(append(slices.Clone(path), key)...), "%sunknown key %q", in, key)
	e.Hint = "Keys of your own begin with x-."
	if like := Nearest(key, attributes(path)); like != "" {
		e.Hint = didYouMean(like)
	}
	return e
}

func plainType(words string) string {
	names := map[string]string{"array": "a list", "mapping": "a mapping", "string": "a string", "number": "a number", "integer": "a whole number", "boolean": "true or false", "null": "empty"}
	fields := strings.FieldsFunc(strings.ReplaceAll(words, " or ", ","), func(r rune) bool { return r == ',' || r == ' ' })
	for i, f := range fields {
		if n, ok := names[f]; ok {
			fields[i] = n
		}
	}
	if len(fields) == 1 {
		return fields[0]
	}
	return strings.Join(fields[:len(fields)-1], ", ") + " or " + fields[len(fields)-1]
}

// attributes are the keys that the Compose specification has below a path of the model.
func attributes(path []string) []string {
	var keys []string
	for _, p := range schema.AttributePaths() {
		parts := p.Parts()
		if len(parts) != len(path)+1 || parts[len(path)] == tree.PathMatchAll || parts[len(path)] == tree.PathMatchList {
			continue
		}
		if slices.EqualFunc(parts[:len(path)], path, func(want, got string) bool {
			return want == got || want == tree.PathMatchAll || want == tree.PathMatchList
		}) {
			keys = append(keys, parts[len(path)])
		}
	}
	return keys
}

func (s *sources) badYAML(text string, err error) *Error {
	m := unparsed.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	return s.yamlError(m[1], errors.New(m[2]))
}

func (s *sources) missingEnvFile(text string, _ error) *Error {
	m := noEnvFile.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	base := filepath.Base(m[2])
	at := s.findValue(func(v string) bool { return filepath.Base(v) == base }, "services")
	e := s.fail(at, "the %s file %s does not exist", m[1], s.show(m[2]))
	e.Hint = "Create it."
	if m[1] == "env" {
		e.Hint = "Create it, or write it as {path: " + base + ", required: false}."
	}
	return e
}

func (s *sources) badExtends(text string, _ error) *Error {
	if m := circular.FindStringSubmatch(text); m != nil {
		var chain []string
		for line := range strings.Lines(m[1]) {
			name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "extends "), " in ")
			chain = append(chain, name)
		}
		chain = rotate(chain, s.serviceOrder())
		e := s.fail(s.find("services", chain[0], "extends"), "services extend each other in a circle: %s", strings.Join(chain, " → "))
		e.Hint = "Take one of the extends away."
		return e
	}
	m := noExtended.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	e := s.fail(s.find("services", m[1], "extends"), "service %q extends %q, which does not exist", m[1], m[2])
	if like := Nearest(m[2], s.serviceOrder()); like != "" {
		e.Hint = didYouMean(like)
	}
	return e
}

// rotate turns a circle, whose last name is its first, so that it begins with the name that is first in order.
func rotate(circle, order []string) []string {
	circle = circle[:len(circle)-1]
	for _, name := range order {
		if i := slices.Index(circle, name); i >= 0 {
			circle = slices.Concat(circle[i:], circle[:i])
			break
		}
	}
	return append(circle, circle[0])
}

var portWords = regexp.MustCompile(`(?i)\b(hostPort|containerPort|port range|ports?:|No port specified|invalid proto|invalid ip)`)

// badPort finds the port that a message is about, as compose-go does not tell which one it is.
func (s *sources) badPort(text string, _ error) *Error {
	if !portWords.MatchString(text) {
		return nil
	}
	for _, name := range s.serviceOrder() {
		for _, f := range s.files {
			for _, item := range flatten(f.lookup("services", name, "ports")) {
				if portProblem(item) == "" {
					continue
				}
				e := s.fail(position{s.show(f.path), item.Line}, "service %q: %s", name, portProblem(item))
				e.Hint = `A port is written "8080:80", "127.0.0.1:8080:80/udp" or "80"; ports go from 1 to 65535.`
				return e
			}
		}
	}
	return nil
}

func (s *sources) missingFile(_ string, err error) *Error {
	var pe *fs.PathError
	if !errors.As(err, &pe) {
		return nil
	}
	base := filepath.Base(pe.Path)
	at := s.findValue(func(v string) bool { return filepath.Base(v) == base })
	e := fileError("file", s.show(pe.Path), pe.Path, err)
	e.Msg = at.String() + ": " + e.Msg
	return e
}
