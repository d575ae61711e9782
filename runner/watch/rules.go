package watch

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// EditorFiles are the temporary files of editors and tools that no one wants to hear of, the same as in Docker Compose, and
// the repository's own folder.
func EditorFiles(dir string) Rules {
	return Rules{Dir: dir, Patterns: []string{
		"**/.git",
		"**/*___jb_old___", "**/*___jb_tmp___", "**/.idea", // JetBrains
		"**/.#*", "**/#*#", // Emacs
		"**/4913", "**/*~", "**/.*.swp", "**/.*.swx", "**/.*.swo", "**/.*.swn", // Vim
		"**/.*.kate-swp",
		"**/*-go-tmp-umask", // the go command
	}}
}

// Clutter is what lies beside the source of a program and is never edited: packages that were fetched, results of builds,
// caches, repositories.
func Clutter(dir string) Rules {
	return Rules{Dir: dir, Patterns: []string{
		"**/.hg", "**/.svn", "**/.DS_Store", "**/.vscode", "**/.direnv",
		"**/node_modules", "**/bower_components", "**/.next", "**/.nuxt", "**/.svelte-kit", "**/.turbo", "**/.parcel-cache", "**/.cache",
		"**/__pycache__", "**/*.pyc", "**/.venv", "**/venv", "**/.tox", "**/.mypy_cache", "**/.pytest_cache", "**/.ruff_cache",
		"**/target", "**/.gradle", "**/dist", "**/.terraform", "**/coverage",
	}}
}

// DockerIgnore are the rules that leave files out of a build context: those of the ignore file that belongs to its Dockerfile,
// else of its .dockerignore. dockerfile is relative to the context, as in a compose file.
//
// A lone `*` says that only what later patterns take back gets into the image. It does not keep the rest from being watched,
// because what is synced need not come from the image; in Compose it does not either.
func DockerIgnore(context, dockerfile string) Rules {
	if dockerfile == "" {
		dockerfile = "Dockerfile"
	}
	own := filepath.Join(context, dockerfile+".dockerignore")
	if _, err := os.Stat(own); err == nil && !filepath.IsAbs(dockerfile) {
		return Rules{Dir: context, File: own}
	}
	return Rules{Dir: context, File: filepath.Join(context, ".dockerignore")}
}

// rules are Rules in a form that can be asked.
type rules struct {
	dir        string
	matcher    *patternmatcher.PatternMatcher
	exceptions [][]string // what patterns with a `!` take back, in its parts
}

// compile reads the file of the rules, and checks the patterns. Rules without any are nil.
func (r Rules) compile() (*rules, error) {
	patterns := slices.Clone(r.Patterns)
	if r.File != "" {
		more, err := readIgnoreFile(r.File)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, more...)
	}
	c := &rules{dir: r.Dir}
	var relative []string
	for _, p := range patterns {
		text, back := strings.CutPrefix(strings.TrimSpace(p), "!")
		text, ok := under(r.Dir, strings.TrimSpace(text))
		if !ok {
			continue
		}
		if back {
			c.exceptions = append(c.exceptions, strings.Split(text, "/"))
			text = "!" + text
		}
		relative = append(relative, text)
	}
	if len(relative) == 0 {
		return nil, nil
	}
	var err error
	if c.matcher, err = patternmatcher.New(relative); err == nil {
		_, err = c.matcher.MatchesOrParentMatches("x") // patterns are first read when they are first used
	}
	if err != nil {
		where := r.File
		if where == "" {
			where = strings.Join(r.Patterns, ", ")
		}
		return nil, &Error{Msg: fmt.Sprintf("the patterns of what is not to be watched cannot be read: %s: %v", where, err),
			Hint: "A `[` begins a set of characters and needs its `]`; a `\\` before a character takes it as it is.", Err: err}
	}
	return c, nil
}

// under makes a pattern relative to a folder; a slash at its begin is the folder itself, unless it is a whole path. It is no pattern where it is empty, or can match nothing in there.
func under(dir, pattern string) (string, bool) {
	if pattern == "" {
		return "", false
	}
	pattern = path.Clean(filepath.ToSlash(pattern))
	if rest, inside := strings.CutPrefix(pattern, strings.TrimSuffix(filepath.ToSlash(dir), "/")+"/"); inside {
		return rest, true
	}
	pattern = strings.TrimPrefix(pattern, "/")
	return pattern, pattern != "" && pattern != "." && pattern != ".." && !strings.HasPrefix(pattern, "../")
}

func readIgnoreFile(name string) ([]string, error) {
	f, err := os.Open(name)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, &Error{Msg: fmt.Sprintf("%s cannot be read: %v", name, err), Hint: "Make it readable, or remove it.", Err: err}
	}
	defer f.Close()
	patterns, err := ignorefile.ReadAll(f)
	if err != nil {
		return nil, &Error{Msg: fmt.Sprintf("%s cannot be read: %v", name, err), Hint: "It has one pattern a line.", Err: err}
	}
	return slices.DeleteFunc(patterns, func(p string) bool { return p == "*" }), nil
}

// verdict is what rules say of one path. The zero verdict is that of a path outside of the rules' folder.
type verdict struct {
	matched bool
	info    patternmatcher.MatchInfo // lets the verdicts on what is below cost little
	inside  bool
}

// of is the verdict on a path; above is the verdict on the folder that it is in.
func (r *rules) of(name string, above verdict) verdict {
	rel, ok := relative(r.dir, name)
	if !ok {
		return verdict{}
	}
	if !above.inside {
		above.info = patternmatcher.MatchInfo{}
	}
	matched, info, err := r.matcher.MatchesUsingParentResults(rel, above.info)
	if err != nil { // compile has seen that the patterns are right
		return verdict{}
	}
	return verdict{matched: matched, info: info, inside: true}
}

// reaches tells whether something below an ignored folder may have been taken back.
func (r *rules) reaches(name string) bool {
	rel, ok := relative(r.dir, name)
	if !ok {
		return true
	}
	parts := strings.Split(rel, "/")
	return slices.ContainsFunc(r.exceptions, func(pattern []string) bool { return below(pattern, parts) })
}

// below tells whether a pattern may match something below a folder.
func below(pattern, folder []string) bool {
	for i, part := range folder {
		if i >= len(pattern) {
			return false
		}
		if strings.Contains(pattern[i], "**") {
			return true
		}
		if ok, err := path.Match(pattern[i], part); err != nil || !ok {
			return false
		}
	}
	return len(pattern) > len(folder)
}

// relative is a path as it stands below a folder, with slashes; not ok for the folder itself and what is outside of it.
func relative(dir, name string) (string, bool) {
	prefix := dir
	if !strings.HasSuffix(prefix, string(filepath.Separator)) {
		prefix += string(filepath.Separator)
	}
	rest, ok := strings.CutPrefix(name, prefix)
	return filepath.ToSlash(rest), ok && rest != ""
}
