package watch

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// lay makes files, and folders where a name ends with a slash.
func lay(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// heard is what a tree hears of, as the watcher finds it; folders end with a slash.
func heard(t testing.TB, tree Tree) []string {
	t.Helper()
	tree.Name = "tree"
	w, err := New([]Tree{tree}, Options{Poll: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var names []string
	for path, e := range w.Snapshot("tree") {
		rel, ok := relative(tree.Root, path)
		if !ok {
			continue
		}
		if e.Kind == Folder {
			rel += "/"
		}
		names = append(names, rel)
	}
	slices.Sort(names)
	return names
}

// left is what git leaves in, of all files below a folder.
func left(t testing.TB, dir string) []string {
	t.Helper()
	git := exec.Command("git", "ls-files", "--others", "--exclude-standard", "-z")
	git.Dir = dir
	git.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "XDG_CONFIG_HOME="+dir)
	out, err := git.Output()
	if err != nil {
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			t.Fatalf("git: %s", failed.Stderr)
		}
		t.Fatal(err)
	}
	var names []string
	for name := range bytes.SplitSeq(bytes.TrimSuffix(out, []byte{0}), []byte{0}) {
		if len(name) > 0 {
			names = append(names, string(name))
		}
	}
	slices.Sort(names)
	return names
}

func needGit(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skipf("git is to tell what it ignores, and is not here: %v", err)
	}
}

func initGit(t testing.TB, dir string) {
	t.Helper()
	if out, err := exec.Command("git", "init", "-q", dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %s", out)
	}
}

// TestGitIgnore compares with git itself, for patterns that people write and for the corners of the language.
func TestGitIgnore(t *testing.T) {
	needGit(t)
	tests := map[string]map[string]string{
		"names":       {".gitignore": "*.log\nbuild\n", "a.log": "", "a.go": "", "build/x": "", "sub/build/y": "", "sub/a.log": ""},
		"anchored":    {".gitignore": "/build\nsub/x\n", "build/x": "", "sub/build/y": "", "sub/x": "", "deep/sub/x": ""},
		"folders":     {".gitignore": "out/\n", "out/x": "", "sub/out": "", "deep/out/y": ""},
		"back":        {".gitignore": "*.log\n!keep.log\n", "a.log": "", "keep.log": "", "sub/keep.log": ""},
		"not back":    {".gitignore": "dir/\n!dir/keep\n", "dir/keep": ""},
		"all but":     {".gitignore": "/*\n!/src\n", "a": "", "src/b": "", "other/c": ""},
		"nested":      {".gitignore": "*.txt\n", "sub/.gitignore": "!*.txt\n*.md\n", "a.txt": "", "sub/a.txt": "", "sub/a.md": "", "sub/deep/b.md": "", "a.md": ""},
		"stars":       {".gitignore": "a/**/z\n**/mid/\nlog/**\n**/*.tmp\nfoo**bar\nx/**y\n", "a/z": "", "a/b/z": "", "a/b/c/z": "", "k/mid/f": "", "log/x": "", "d/e.tmp": "", "foo1bar": "", "foo/bar": "", "x/ay": "", "x/b/y": ""},
		"sets":        {".gitignore": "[ab].x\n[!c].y\n[a-c]z\n[[:digit:]]d\n[]]q\n[a-]w\n[\\]]v\n", "a.x": "", "c.x": "", "c.y": "", "d.y": "", "bz": "", "dz": "", "7d": "", "ad": "", "]q": "", "-w": "", "]v": ""},
		"broken sets": {".gitignore": "[ab\nx[z-a]\n[]\n", "[ab": "", "a": "", "xz": "", "[]": ""},
		"escapes":     {".gitignore": "\\#a\n\\!b\nc\\*\nd\\ \ne  \nf\\\n", "#a": "", "!b": "", "c*": "", "cx": "", "d ": "", "d": "", "e": "", "f": "", "f\\": ""},
		"comments":    {".gitignore": "# a\n\n   \na#b\n", "a": "", "a#b": "", "   ": ""},
		"line ends":   {".gitignore": "\ufeffa.log\r\nb.log\r\n", "a.log": "", "b.log": "", "c.log": ""},
		"questions":   {".gitignore": "?.c\nd?e\n", "a.c": "", "ab.c": "", "d/e": "", "dxe": ""},
		"exclude":     {".git/info/exclude": "secret\n", "secret": "", "sub/secret": "", "open": ""},
	}
	for name, files := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			initGit(t, dir)
			lay(t, dir, files)
			sameAsGit(t, dir, dir)
		})
	}
	t.Run("from below the top", func(t *testing.T) {
		dir := t.TempDir()
		initGit(t, dir)
		lay(t, dir, map[string]string{".gitignore": "*.log\n/app/gen\n", "app/.gitignore": "*.tmp\n", "app/gen/x": "", "app/a.log": "", "app/b.tmp": "", "app/c": "", "other": ""})
		sameAsGit(t, dir, filepath.Join(dir, "app"))
	})
}

func sameAsGit(t testing.TB, dir, root string) {
	t.Helper()
	var got []string
	for _, name := range heard(t, Tree{Root: root, GitIgnore: true, Ignore: []Rules{{Dir: dir, Patterns: []string{".git"}}}}) {
		if !strings.HasSuffix(name, "/") {
			got = append(got, name)
		}
	}
	if want := left(t, root); !slices.Equal(got, want) {
		ignore, _ := os.ReadFile(filepath.Join(dir, ".gitignore"))
		t.Errorf("with %q\nwe hear of   %q\ngit hears of %q", ignore, got, want)
	}
}

// TestGitIgnoreAny compares with git for patterns made up at random.
func TestGitIgnoreAny(t *testing.T) {
	needGit(t)
	dir := t.TempDir()
	initGit(t, dir)
	files := map[string]string{}
	for _, a := range []string{"a", "b", "ab", "c"} {
		for _, b := range []string{"a", "b.c", "-"} {
			files[a+"/"+b] = ""
			files["d/"+a+"/x/"+b] = ""
		}
		files[a+".c"] = ""
	}
	lay(t, dir, files)
	rapid.Check(t, func(rt *rapid.T) {
		lines := rapid.SliceOfN(rapid.StringMatching(`!?/?([abcdx]|\*|\*\*|\?|\[a-b\]|\[!a\]|\.c|/|/\*\*/){1,6}/?`), 1, 4).Draw(rt, "lines")
		for _, at := range []string{".gitignore", "d/.gitignore"} {
			text := strings.Join(lines, "\n") + "\n"
			if at == "d/.gitignore" {
				text = strings.Join(lines[len(lines)/2:], "\n") + "\n"
			}
			if err := os.WriteFile(filepath.Join(dir, at), []byte(text), 0o644); err != nil {
				rt.Fatal(err)
			}
		}
		var got []string
		for _, name := range heard(t, Tree{Root: dir, GitIgnore: true, Ignore: []Rules{{Dir: dir, Patterns: []string{".git"}}}}) {
			if !strings.HasSuffix(name, "/") {
				got = append(got, name)
			}
		}
		if want := left(t, dir); !slices.Equal(got, want) {
			rt.Fatalf("with %q\nwe hear of   %q\ngit hears of %q", lines, got, want)
		}
	})
}

// TestRules tells what the language of .dockerignore leaves in, folders among it.
func TestRules(t *testing.T) {
	files := map[string]string{
		"a.go": "", "a.log": "", "node_modules/p/index.js": "", "node_modules/p/README.md": "", "dist/keep.txt": "", "dist/app": "",
		"sub/a.go": "", "sub/a.log": "", "sub/node_modules/q/i.js": "", "docs/a.md": "",
	}
	all := func(without ...string) []string {
		dirs := map[string]bool{}
		var names []string
		for name := range files {
			if !slices.Contains(without, name) {
				names = append(names, name)
			}
			for at := filepath.Dir(name); at != "."; at = filepath.Dir(at) {
				dirs[at+"/"] = true
			}
		}
		for d := range dirs {
			if !slices.Contains(without, d) {
				names = append(names, d)
			}
		}
		slices.Sort(names)
		return names
	}
	packages := []string{"node_modules/", "node_modules/p/", "node_modules/p/index.js", "node_modules/p/README.md"}
	below := []string{"sub/node_modules/", "sub/node_modules/q/", "sub/node_modules/q/i.js"}
	tests := []struct {
		name     string
		patterns []string
		include  []string
		want     []string
		folders  int // that are watched, the root among them
	}{
		{"none", nil, nil, all(), 8},
		{"a folder", []string{"node_modules"}, nil, all(packages...), 6},
		{"with a slash", []string{"/node_modules/"}, nil, all(packages...), 6},
		{"anywhere", []string{"**/node_modules"}, nil, all(append(packages, below...)...), 4},
		{"by ending", []string{"*.log"}, nil, all("a.log"), 8},
		{"by ending anywhere", []string{"**/*.log"}, nil, all("a.log", "sub/a.log"), 8},
		{"taken back below", []string{"dist", "!dist/keep.txt"}, nil, all("dist/", "dist/app"), 8},
		{"taken back anywhere", []string{"node_modules", "!**/*.md"}, nil, all("node_modules/", "node_modules/p/", "node_modules/p/index.js"), 8},
		{"taken back elsewhere", []string{"node_modules", "!docs/*.md"}, nil, all(packages...), 6},
		{"the last decides", []string{"!a.log", "*.log"}, nil, all("a.log"), 8},
		{"all", []string{"*"}, nil, nil, 1},
		{"all but", []string{"*", "!docs"}, nil, []string{"docs/", "docs/a.md"}, 2},
		{"included", nil, []string{"*.go", "docs"}, []string{"a.go", "docs/", "docs/a.md"}, 8},
		{"included but ignored", []string{"docs"}, []string{"**/*.go", "docs"}, []string{"a.go", "sub/a.go"}, 7},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			lay(t, dir, files)
			tree := Tree{Root: dir, Ignore: []Rules{{Dir: dir, Patterns: tt.patterns}}, Include: tt.include}
			if got := heard(t, tree); !slices.Equal(got, tt.want) {
				t.Errorf("hears of %q\nwanted   %q", got, tt.want)
			}
			if got := watches(t, tree); got != tt.folders {
				t.Errorf("%d folders are watched, wanted %d", got, tt.folders)
			}
		})
	}
}

// watches is how many folders are watched for a tree.
func watches(t *testing.T, tree Tree) int {
	t.Helper()
	w, err := New([]Tree{tree}, Options{Warn: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return len(w.state.watched)
}

func TestRulesElsewhere(t *testing.T) {
	dir := t.TempDir()
	lay(t, dir, map[string]string{"ctx/.dockerignore": "*\nweb/gen\n**/*.log\n!web/gen/keep\n", "ctx/web/a": "", "ctx/web/gen/x": "", "ctx/web/gen/keep": "", "ctx/web/b.log": "", "other/b.log": "",
		"own/Dockerfile.dockerignore": "b", "own/.dockerignore": "a", "own/a": "", "own/b": ""})
	web := filepath.Join(dir, "ctx/web")
	if got, want := heard(t, Tree{Root: web, Ignore: []Rules{DockerIgnore(filepath.Join(dir, "ctx"), "")}}), []string{"a", "gen/keep"}; !slices.Equal(got, want) {
		t.Errorf("rules of a context hear of %q below it, wanted %q", got, want)
	}
	if got, want := heard(t, Tree{Root: dir, Ignore: []Rules{DockerIgnore(filepath.Join(dir, "ctx"), "")}}), "other/b.log"; !slices.Contains(got, want) || slices.Contains(got, "ctx/web/b.log") {
		t.Errorf("rules hold in their own folder alone, and hear of %q", got)
	}
	if got, want := heard(t, Tree{Root: filepath.Join(dir, "own"), Ignore: []Rules{DockerIgnore(filepath.Join(dir, "own"), "Dockerfile")}}), []string{".dockerignore", "Dockerfile.dockerignore", "a"}; !slices.Equal(got, want) {
		t.Errorf("the ignore file of a Dockerfile goes before: %q, wanted %q", got, want)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	for name, tree := range map[string]Tree{
		"is no absolute path":           {Root: "src"},
		"what is not to be watched":     {Root: dir, Ignore: []Rules{{Dir: dir, Patterns: []string{"[a"}}}},
		"none of the patterns ../x can": {Root: dir, Include: []string{"../x"}},
	} {
		_, err := New([]Tree{tree}, Options{})
		var told *Error
		if !errors.As(err, &told) || !strings.Contains(told.Msg, name) || told.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text := fmt.Sprint(limitReached(5, 3)); !strings.Contains(text, "fs.inotify.max_user_watches") || !strings.Contains(text, "\nAllow more: sudo sysctl") {
		t.Errorf("the limit is told as %q", text)
	}
}
