package embedded

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFiles(t *testing.T) {
	f := load(t, `
configs:
  inline: {content: inline}
  file: {file: ./host/one}
secrets:
  secret: {environment: SECRET}
services:
  a:
    image: diary
    configs: [file, {source: inline, target: /etc/app/inline}]
    secrets: [secret]
    volumes: ["./host:/etc/app/host", "./other:/etc/app/host/deeper", "data:/data"]
volumes: {data: }
`)
	for name, text := range map[string]string{"host/one": "1", "host/two": "2", "host/sub/three": "3", "other/four": "4"} {
		path := filepath.Join(f.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f.project.Compose.Environment["SECRET"] = "s"
	for path, want := range map[string]string{
		"/file": "1", "/etc/app/inline": "inline", "/run/secrets/secret": "s", "/etc/app/host/one": "1", "/etc/app/host": "1 2", "/etc/app/host/": "1 2",
		"/etc/app/host/sub/three": "3", "/etc/app/host/deeper/four": "4", "/etc/app/host/deeper": "4", "/etc/app": "", "/etc/app/hostess": "", "/data/x": "", "/etc/app/host/none": "",
	} {
		texts, err := files(f.project, f.project.Compose.Services["a"], path)
		var all []string
		for _, text := range texts {
			all = append(all, string(text))
		}
		if got := strings.Join(all, " "); err != nil || got != want {
			t.Errorf("%s: %q, not %q (%v)", path, got, want, err)
		}
	}
}

func TestWhereDataIs(t *testing.T) {
	f := load(t, `
services:
  kept: {image: diary}
  own: {image: diary, x-msdev: {data: ./own}}
  gone: {image: diary, x-msdev: {data: memory}}
`)
	for service, want := range map[string]string{"kept": filepath.Join(f.state, "brokers", "kept", "data"), "own": filepath.Join(f.dir, "own"), "gone": ""} {
		if got := f.rt.dataOf(service); got != want {
			t.Errorf("%s: %q, not %q", service, got, want)
		}
	}
}
