package watch

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// gitLevel is one file of git's ignore patterns, on top of those of the folders above (git-scm.com/docs/gitignore).
type gitLevel struct {
	dir      string
	patterns []gitPattern
	above    *gitLevel
}

type gitPattern struct {
	back     bool           // begins with `!`
	folders  bool           // ends with `/`
	anchored bool           // is about the path below the level's folder, not only its last name
	literal  string         // what it matches, where it has no wildcards
	match    *regexp.Regexp // else
}

// gitWildcards are the characters that make a pattern more than a name.
const gitWildcards = `*?[\`

// gitTop finds the repository that a folder is in: the nearest folder from it upwards that has a .git.
func gitTop(dir string) (string, bool) {
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			return at, true
		}
		if filepath.Dir(at) == at {
			return "", false
		}
	}
}

// gitDir is the folder where git keeps what it knows of the repository: its .git, or where that file says it is.
func gitDir(top string) string {
	dir := filepath.Join(top, ".git")
	content, err := os.ReadFile(dir)
	if at, ok := strings.CutPrefix(string(content), "gitdir: "); err == nil && ok {
		at = strings.TrimSpace(at)
		if !filepath.IsAbs(at) {
			at = filepath.Join(top, at)
		}
		return at
	}
	return dir
}

// gitAbove reads the levels that hold in a folder: of the repository, and of each folder from its top down to the one above.
func gitAbove(dir string) *gitLevel {
	top, ok := gitTop(dir)
	if !ok {
		return nil
	}
	level := (*gitLevel)(nil).with(top, filepath.Join(top, ".git", "info", "exclude"))
	rel, ok := relative(top, dir)
	if !ok {
		return level
	}
	at := top
	for _, name := range strings.Split(rel, "/") {
		level = level.down(at)
		at = filepath.Join(at, name)
	}
	return level
}

// down is the level inside a folder: with its .gitignore where it has one.
func (l *gitLevel) down(dir string) *gitLevel { return l.with(dir, filepath.Join(dir, ".gitignore")) }

func (l *gitLevel) with(dir, file string) *gitLevel {
	content, err := os.ReadFile(file)
	if err != nil {
		return l
	}
	var patterns []gitPattern
	for line := range strings.Lines(strings.TrimPrefix(string(content), "\ufeff")) {
		if p, ok := parseGit(line); ok {
			patterns = append(patterns, p)
		}
	}
	if len(patterns) == 0 {
		return l
	}
	return &gitLevel{dir: dir, patterns: patterns, above: l}
}

// ignores tells whether git leaves a path out, of which no folder above is left out: the last pattern of the nearest level
// that has a matching one decides.
func (l *gitLevel) ignores(name string, folder bool) bool {
	for ; l != nil; l = l.above {
		rel, ok := relative(l.dir, name)
		if !ok {
			continue
		}
		for i := len(l.patterns) - 1; i >= 0; i-- {
			if l.patterns[i].matches(rel, folder) {
				return !l.patterns[i].back
			}
		}
	}
	return false
}

func (p gitPattern) matches(rel string, folder bool) bool {
	if p.folders && !folder {
		return false
	}
	if !p.anchored {
		rel = path.Base(rel)
	}
	if p.match == nil {
		return rel == p.literal
	}
	return p.match.MatchString(rel)
}

// parseGit reads one line; not ok for comments, empty lines and patterns that can match nothing.
func parseGit(line string) (gitPattern, bool) {
	var p gitPattern
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if strings.HasPrefix(line, "#") {
		return p, false
	}
	line = trimSpaces(line)
	line, p.back = strings.CutPrefix(line, "!")
	line, p.folders = strings.CutSuffix(line, "/")
	p.anchored = strings.Contains(line, "/")
	line = strings.TrimPrefix(line, "/")
	if line == "" {
		return p, false
	}
	if !strings.ContainsAny(line, gitWildcards) {
		p.literal = line
		return p, true
	}
	text, ok := gitRegexp([]rune(line), p.anchored)
	if !ok {
		return p, false
	}
	var err error
	p.match, err = regexp.Compile(text)
	return p, err == nil
}

// trimSpaces takes the spaces at the end away, up to one that a backslash stands before.
func trimSpaces(line string) string {
	end := len(line)
	for end > 0 && line[end-1] == ' ' {
		slashes := 0
		for end-2-slashes >= 0 && line[end-2-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 1 {
			break
		}
		end--
	}
	return line[:end]
}

// gitRegexp writes a pattern as a regular expression; not ok where git would match nothing with it.
func gitRegexp(pattern []rune, anchored bool) (string, bool) {
	var b strings.Builder
	b.WriteString(`(?s)\A`)
	for i := 0; i < len(pattern); {
		switch c := pattern[i]; c {
		case '*':
			i += gitStars(&b, pattern, i, anchored)
		case '?':
			b.WriteString(`[^/]`)
			i++
		case '[':
			set, length := gitSet(pattern[i:])
			if length == 0 {
				return "", false
			}
			b.WriteString(set)
			i += length
		case '\\':
			if i+1 == len(pattern) {
				return "", false
			}
			b.WriteString(regexp.QuoteMeta(string(pattern[i+1])))
			i += 2
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
			i++
		}
	}
	b.WriteString(`\z`)
	return b.String(), true
}

// gitStars writes the stars that begin at i, and returns how much of the pattern they stand for: two or more that fill the
// place of a folder match any number of folders. Git compares what stands before the first wildcard by itself, so that stars right
// after it begin a place as well: `a**/b` is a/b, too.
func gitStars(b *strings.Builder, pattern []rune, i int, anchored bool) int {
	n := i
	for n < len(pattern) && pattern[n] == '*' {
		n++
	}
	begins := i == 0 || pattern[i-1] == '/' || !strings.ContainsAny(string(pattern[:i]), gitWildcards)
	folders := n-i > 1 && anchored && begins
	switch {
	case folders && n == len(pattern):
		b.WriteString(`.*`)
	case folders && pattern[n] == '/':
		b.WriteString(`(?:.*/)?`)
		n++
	default:
		b.WriteString(`[^/]*`)
	}
	return n - i
}

// gitSet writes a set of characters, and returns its length; 0 where it has no end. A slash is never in it.
func gitSet(pattern []rune) (string, int) {
	var set strings.Builder
	set.WriteByte('[')
	i := 1
	if i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^') {
		set.WriteString(`^/`)
		i++
	}
	for first := i; i < len(pattern); {
		if pattern[i] == ']' && i > first {
			set.WriteByte(']')
			return set.String(), i + 1
		}
		if n := gitNamedSet(pattern[i:]); n > 0 {
			set.WriteString(string(pattern[i : i+n]))
			i += n
			continue
		}
		from, n := gitRune(pattern[i:])
		i += n
		to := from
		if i+1 < len(pattern) && pattern[i] == '-' && pattern[i+1] != ']' {
			to, n = gitRune(pattern[i+1:])
			i += 1 + n
		}
		set.WriteString(gitRange(from, to))
	}
	return "", 0
}

// gitNamedSet is the length of a set's name, as [:alpha:]; 0 where none stands here.
func gitNamedSet(pattern []rune) int {
	if len(pattern) < 2 || pattern[0] != '[' || pattern[1] != ':' {
		return 0
	}
	end := strings.Index(string(pattern), ":]")
	if end < 0 {
		return 0
	}
	return len([]rune(string(pattern)[:end+2]))
}

// gitRune reads a character of a set, which a backslash may stand before, and its length.
func gitRune(pattern []rune) (rune, int) {
	if pattern[0] == '\\' && len(pattern) > 1 {
		return pattern[1], 2
	}
	return pattern[0], 1
}

// gitRange writes a range of characters without the slash that may be in it. Git takes one that runs backwards as its first.
func gitRange(from, to rune) string {
	to = max(from, to)
	if from > '/' || to < '/' {
		return fmt.Sprintf(`\x{%x}-\x{%x}`, from, to)
	}
	text := ""
	if from < '/' {
		text = gitRange(from, '/'-1)
	}
	if to > '/' {
		text += gitRange('/'+1, to)
	}
	return text
}
