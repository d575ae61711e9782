package brokers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Redaction takes secrets out of messages that leave the machine. What it takes out is replaced by "[redacted]", and
// told beside the message; all else stays byte for byte.
type Redaction struct {
	Headers []string // names of headers, any case; * stands for anything
	Paths   []string // JSON paths into bodies: $.customer.email, $.cards[*].number, $..password
	URLs    bool     // passwords in URLs, in bodies and headers that are text

	paths [][]string
}

const redacted = "[redacted]"

// Secrets is the Redaction of what is usually secret.
func Secrets() *Redaction {
	names := []string{"authorization", "cookie", "set-cookie", "*token*", "*secret*", "*password*", "*passwd*", "*api-key*", "*apikey*"}
	r := &Redaction{Headers: names, URLs: true}
	for _, name := range names {
		r.Paths = append(r.Paths, "$.."+name)
	}
	return r
}

// Check reads the paths. Call it before use.
func (r *Redaction) Check() error {
	r.paths = nil
	for _, text := range r.Paths {
		steps, ok := pathSteps(text)
		if !ok {
			return fmt.Errorf("%q is no path to redact\nWrite it like $.customer.email, $.cards[*].number or $..password.", text)
		}
		r.paths = append(r.paths, steps)
	}
	for _, name := range r.Headers {
		if _, err := path.Match(name, ""); err != nil {
			return fmt.Errorf("%q is no header to redact\nWrite a name; * stands for anything.", name)
		}
	}
	return nil
}

// pathSteps splits a path into names, in lower case; "**" stands for "..".
func pathSteps(text string) ([]string, bool) {
	rest, ok := strings.CutPrefix(text, "$")
	rest = strings.NewReplacer("[", ".", "]", "", "..", ".**.").Replace(rest)
	if !ok || !strings.HasPrefix(rest, ".") || len(rest) == 1 {
		return nil, false
	}
	steps := strings.Split(strings.ToLower(rest[1:]), ".")
	for _, step := range steps {
		if _, err := path.Match(step, ""); err != nil || step == "" {
			return nil, false
		}
	}
	return steps, true
}

// apply returns the message without its secrets, and what was taken out.
func (r *Redaction) apply(m *Message) (*Message, []string) {
	out := *m
	var taken []string
	out.Headers = slices.Clone(m.Headers)
	for i := range out.Headers {
		h := &out.Headers[i]
		if r.header(h) {
			taken = append(taken, "header "+h.Key)
		}
	}
	if body, paths := r.body(m.Body); len(paths) > 0 {
		out.Body = body
		taken = append(taken, paths...)
	}
	if len(taken) == 0 {
		return m, nil
	}
	return &out, taken
}

func (r *Redaction) header(h *Header) bool {
	name := strings.ToLower(h.Key)
	text, isText := h.Value.(string)
	raw, isBytes := h.Value.([]byte)
	for _, pattern := range r.Headers {
		if hit, err := path.Match(strings.ToLower(pattern), name); err != nil || !hit {
			continue
		}
		h.Value = redacted
		if isBytes {
			h.Value = []byte(redacted)
		}
		return true
	}
	switch {
	case !r.URLs:
	case isText && urlPassword.MatchString(text):
		h.Value = urlPassword.ReplaceAllString(text, "${1}"+redacted+"@")
		return true
	case isBytes && urlPassword.Match(raw):
		h.Value = urlPassword.ReplaceAll(raw, []byte("${1}"+redacted+"@"))
		return true
	}
	return false
}

var urlPassword = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@"']*:)[^\s/@"']+@`)

func (r *Redaction) body(b []byte) ([]byte, []string) {
	var taken []string
	if len(r.paths) > 0 && json.Valid(b) {
		s := scan{in: b, d: json.NewDecoder(bytes.NewReader(b)), want: r.paths}
		if s.value(nil, 0) == nil && len(s.taken) > 0 {
			b, taken = append(s.out, b[s.copied:]...), s.taken
		}
	}
	if r.URLs && utf8.Valid(b) && urlPassword.Match(b) {
		b = urlPassword.ReplaceAll(b, []byte("${1}"+redacted+"@"))
		taken = append(taken, "password in a URL")
	}
	return b, taken
}

// scan copies a JSON text and leaves out the values whose paths are wanted.
type scan struct {
	in     []byte
	d      *json.Decoder
	want   [][]string
	out    []byte
	copied int // bytes of in that are in out, or left out of it
	taken  []string
}

func (s *scan) value(at []string, depth int) error {
	if len(at) > 0 && slices.ContainsFunc(s.want, func(want []string) bool { return leads(want, at) }) {
		return s.skip(at)
	}
	t, err := s.d.Token()
	if err != nil {
		return err
	}
	open, isDelim := t.(json.Delim)
	if !isDelim {
		return nil
	}
	if depth > 1000 {
		return errors.New("nested too deeply")
	}
	for i := 0; s.d.More(); i++ {
		name := strconv.Itoa(i)
		if open == '{' {
			key, err := s.d.Token()
			if err != nil {
				return err
			}
			name, _ = key.(string)
		}
		if err := s.value(append(at, strings.ToLower(name)), depth+1); err != nil {
			return err
		}
	}
	_, err = s.d.Token()
	return err
}

// skip leaves one value out.
func (s *scan) skip(at []string) error {
	var raw json.RawMessage
	if err := s.d.Decode(&raw); err != nil {
		return err
	}
	end := int(s.d.InputOffset())
	s.out = append(s.out, s.in[s.copied:end-len(raw)]...)
	s.out = append(s.out, `"`+redacted+`"`...)
	s.copied = end
	s.taken = append(s.taken, "$."+strings.Join(at, "."))
	return nil
}

// leads tells whether a pattern stands for a path: * in a step for anything within it, ** for any steps or none.
func leads(want, at []string) bool {
	if len(want) == 0 {
		return len(at) == 0
	}
	if want[0] == "**" {
		return leads(want[1:], at) || len(at) > 0 && leads(want, at[1:])
	}
	if len(at) == 0 {
		return false
	}
	hit, err := path.Match(want[0], at[0])
	return err == nil && hit && leads(want[1:], at[1:])
}
