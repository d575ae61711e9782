package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPropose(t *testing.T) {
	for _, test := range []struct {
		name       string
		files      map[string]string
		build, run string
	}{
		{"go", map[string]string{"go.mod": "module x", "main.go": "package main\n"}, "go build -o bin/go .", "./bin/go"},
		{"gocmd", map[string]string{"go.mod": "module x", "cmd/api/main.go": "// Api.\npackage main\n"}, "go build -o bin/api ./cmd/api", "./bin/api"},
		{"gotwo", map[string]string{"go.mod": "module x", "cmd/a/main.go": "package main\n", "cmd/b/main.go": "package main\n"}, "", ""},
		{"gonamed", map[string]string{"go.mod": "module x", "api/main.go": "package main\n", "web/main.go": "package main\n"}, "go build -o bin/api ./api", "./bin/api"},
		{"golib", map[string]string{"go.mod": "module x", "x.go": "package x\n", "main_test.go": "package main\n"}, "", ""},
		{"node", map[string]string{"package.json": `{"scripts": {"start": "node x", "dev": "vite"}}`}, "npm install", "npm run dev"},
		{"yarn", map[string]string{"package.json": `{"scripts": {"start": "node x"}}`, "yarn.lock": ""}, "yarn install", "yarn run start"},
		{"nodemain", map[string]string{"package.json": `{"main": "lib.js"}`, "lib.js": ""}, "npm install", "node lib.js"},
		{"nodenone", map[string]string{"package.json": `{}`}, "", ""},
		{"rust", map[string]string{"Cargo.toml": "[package]\nversion = \"1\"\nname = \"shop\"\n", "src/main.rs": ""}, "cargo build", "./target/debug/shop"},
		{"spring", map[string]string{"pom.xml": "<artifactId>spring-boot-maven-plugin</artifactId>", "mvnw": ""}, "./mvnw -q compile", "./mvnw -q spring-boot:run"},
		{"gradle", map[string]string{"build.gradle.kts": "plugins { application }"}, "gradle -q classes", "gradle -q run"},
		{"python", map[string]string{"requirements.txt": "", "app.py": ""}, "", "python3 -u app.py"},
		{"django", map[string]string{"pyproject.toml": "", "manage.py": ""}, "", "python3 manage.py runserver"},
		{"nothing", map[string]string{"Dockerfile": ""}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), test.name)
			for name, text := range test.files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p, ok := Propose(dir, "api")
			if ok != (test.run != "") || p.Build != test.build || p.Run != test.run || ok && p.Why == "" {
				t.Errorf("%t %+v", ok, p)
			}
		})
	}
}

func TestWrite(t *testing.T) {
	before := `# The shop.
services:
  web: # the front
    build: ./web
    ports: ["8080:80"] # for people
    x-msdev:
      ready: {tcp: 80}
  # behind it
  api:
    build: ./api
  own:
    build: ./own
    x-msdev: {run: ./own}

  ready:
    build: ./ready
    x-msdev: {ready: {tcp: 1}}
  flow: {build: ./flow}
  last:
    build:
      context: ./last
      dockerfile_inline: |
        FROM scratch

        COPY . /
`
	want := `# The shop.
services:
  web: # the front
    build: ./web
    ports: ["8080:80"] # for people
    x-msdev:
      ready: {tcp: 80}
      build: npm install
      run: npm run dev
  # behind it
  api:
    build: ./api
    x-msdev:
      run: python3 -u app.py
  own:
    build: ./own
    x-msdev: {run: ./own}

  ready:
    build: ./ready
    x-msdev: {run: ./r, ready: {tcp: 1}}
  flow: {x-msdev: {run: ./f}, build: ./flow}
  last:
    build:
      context: ./last
      dockerfile_inline: |
        FROM scratch

        COPY . /
    x-msdev:
      run: ./l
`
	proposals := map[string]Proposal{"ready": {Run: "./r"}, "flow": {Run: "./f"}, "last": {Run: "./l"}, "web": {Build: "npm install", Run: "npm run dev"}, "api": {Run: "python3 -u app.py"}, "own": {Run: "other"}, "gone": {Run: "x"}}
	got, err := Write([]byte(before), proposals)
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	if again, err := Write(got, proposals); err != nil || string(again) != want {
		t.Errorf("a second time it became\n%s (%v)", again, err)
	}
	if _, err := Write([]byte("services: ["), nil); err == nil || !strings.Contains(err.Error(), "\n") {
		t.Errorf("what is no YAML: %v", err)
	}
}
