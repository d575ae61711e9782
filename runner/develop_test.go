package runner

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"msdev/runner/watch"
)

const developFile = `
name: shop
services:
  web:
    build: {context: ./web, dockerfile: Containerfile}
    volumes: ["./web/mounted:/app/mounted"]
    develop:
      watch:
        - {action: sync, path: ./web/src, target: /app/src, ignore: ["*.log", node_modules/], include: ["*.js", "lib", "*.log"], initial_sync: true}
        - {action: sync+restart, path: ./web/config.json, target: /etc/web/}
        - {action: sync+exec, path: ./web/nginx, target: /etc/nginx, exec: {command: nginx -s reload}}
        - {action: rebuild, path: ./web/package.json}
        - {action: sync, path: ./web/mounted/deep, target: /elsewhere}
  api:
    image: api
    develop:
      watch:
        - {action: restart, path: ./shared}
        - {action: sync, path: ./shared, target: /shared}
        - {action: sync, path: ./api, target: /shared/api}
`

func TestDevelop(t *testing.T) {
	p := load(t, map[string]string{"compose.yaml": developFile})
	d, err := p.Develop()
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Warnings) != 1 || !strings.Contains(d.Warnings[0].Text, "compose.yaml:13: web/mounted/deep is mounted into web") {
		t.Errorf("warnings: %q", d.Warnings)
	}
	var trees []string
	for _, tree := range d.Trees() {
		rel, err := filepath.Rel(p.Dir, tree.Root)
		if err != nil {
			t.Fatal(err)
		}
		trees = append(trees, tree.Name+" "+rel)
	}
	want := []string{"develop/api/0 shared", "develop/api/1 shared", "develop/api/2 api",
		"develop/web/0 web/src", "develop/web/1 web/config.json", "develop/web/2 web/nginx", "develop/web/3 web/package.json"}
	slices.Sort(trees)
	if !slices.Equal(trees, want) {
		t.Errorf("trees: %q", trees)
	}
	file := func(op watch.Op, name string, trees ...string) watch.Change {
		return watch.Change{Path: filepath.Join(p.Dir, name), Op: op, Trees: trees, Dir: strings.HasSuffix(name, "/")}
	}
	tests := []struct {
		name    string
		changes []watch.Change
		want    []string
	}{
		{"nothing", nil, nil},
		{"of nobody", []watch.Change{file(watch.Modified, "web/src/a.js", "service/web")}, nil},
		{"synced", []watch.Change{file(watch.Modified, "web/src/lib/a.js", "develop/web/0")}, []string{"web: sync web/src/lib/a.js→/app/src/lib/a.js"}},
		{"the folder itself is there again", []watch.Change{file(watch.Created, "web/src/", "develop/web/0")}, nil},
		{"the folder itself is gone", []watch.Change{file(watch.Deleted, "web/src/", "develop/web/0")}, []string{"web: sync web/src→/app/src"}},
		{"a file into a folder", []watch.Change{file(watch.Modified, "web/config.json", "develop/web/1")},
			[]string{"web: sync web/config.json→/etc/web/config.json restart"}},
		{"exec once", []watch.Change{file(watch.Modified, "web/nginx/a", "develop/web/2"), file(watch.Modified, "web/nginx/b", "develop/web/2")},
			[]string{"web: sync web/nginx/a→/etc/nginx/a web/nginx/b→/etc/nginx/b exec nginx -s reload"}},
		{"a rebuild needs no restart", []watch.Change{file(watch.Modified, "web/config.json", "develop/web/1"), file(watch.Modified, "web/package.json", "develop/web/3")},
			[]string{"web: rebuild sync web/config.json→/etc/web/config.json"}},
		{"two triggers, one file", []watch.Change{file(watch.Modified, "shared/x", "develop/api/0", "develop/api/1")},
			[]string{"api: sync shared/x→/shared/x restart"}},
		{"two files, one target: the later trigger's", []watch.Change{file(watch.Modified, "api/x", "develop/api/2"), file(watch.Modified, "shared/api/x", "develop/api/1")},
			[]string{"api: sync api/x→/shared/api/x"}},
		{"two services", []watch.Change{file(watch.Modified, "shared/x", "develop/api/1"), file(watch.Modified, "web/src/a.js", "develop/web/0")},
			[]string{"web: sync web/src/a.js→/app/src/a.js", "api: sync shared/x→/shared/x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, r := range d.React(tt.changes) {
				got = append(got, p.reactionText(r))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func (p *Project) reactionText(r Reaction) string {
	words := []string{r.Service + ":"}
	if r.Rebuild {
		words = append(words, "rebuild")
	}
	if len(r.Sync) > 0 {
		words = append(words, "sync")
	}
	for _, f := range r.Sync {
		words = append(words, p.show(f.Source)+"→"+f.Target)
	}
	if r.Restart {
		words = append(words, "restart")
	}
	for _, e := range r.Exec {
		words = append(words, "exec "+strings.Join(e.Command, " "))
	}
	return strings.Join(words, " ")
}

func TestInitialSync(t *testing.T) {
	p := load(t, map[string]string{"compose.yaml": developFile})
	d, err := p.Develop()
	if err != nil {
		t.Fatal(err)
	}
	src := filepath.Join(p.Dir, "web", "src")
	files := d.Initial("web", func(tree string) watch.Snapshot {
		if tree != "develop/web/0" {
			t.Errorf("asked for %s, which has no initial sync", tree)
		}
		return watch.Snapshot{
			src: {Kind: watch.Folder}, filepath.Join(src, "lib"): {Kind: watch.Folder}, filepath.Join(src, "lib", "a.js"): {Kind: watch.File},
			filepath.Join(src, "l"): {Kind: watch.Link}, filepath.Join(src, "Containerfile"): {Kind: watch.File}, filepath.Join(src, "compose.yaml"): {Kind: watch.File},
		}
	})
	var got []string
	for _, f := range files {
		got = append(got, p.show(f.Source)+"→"+f.Target)
	}
	if want := []string{"web/src/l→/app/src/l", "web/src/lib/a.js→/app/src/lib/a.js"}; !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if files := d.Initial("api", nil); len(files) > 0 {
		t.Errorf("api asked for no initial sync, and gets %v", files)
	}
}

func TestSyncIntoMemory(t *testing.T) {
	p := load(t, map[string]string{"compose.yaml": "services:\n  web:\n    image: web\n    tmpfs: ['/run:size=1m']\n    develop:\n      watch:\n        - {action: sync, path: ./src, target: /run/src}\n        - {action: sync, path: ./src, target: /runner}\n"})
	d, err := p.Develop()
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Triggers) != 2 || len(d.Warnings) != 1 || d.Warnings[0].Service != "web" || !strings.Contains(d.Warnings[0].Text, "compose.yaml:7: a tmpfs is mounted at /run/src in web") {
		t.Errorf("warnings: %q", d.Warnings)
	}
}

func TestRebuildWithoutBuild(t *testing.T) {
	p := load(t, map[string]string{"compose.yaml": "services:\n  web:\n    image: web\n    develop:\n      watch:\n        - {action: rebuild, path: ./src}\n"})
	const want = "compose.yaml:6: service \"web\" is to be rebuilt when src changes, but it has no `build`.\nGive it a `build`"
	if _, err := p.Develop(); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v", err)
	}
}
