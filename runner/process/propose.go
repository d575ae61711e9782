package process

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"msdev/runner"
)

// Proposal is how a service could run as a process, as far as its build context tells.
type Proposal struct {
	Dir   string // where both run; empty: in the build context
	Build string // empty: nothing is to be built
	Run   string
	Why   string // what it was taken from, for people
}

// Propose looks at the build context of a service and proposes how to run what it holds: Go, Node, Python, Rust or Java. It
// only reads. Of several programs in one context it takes the one that is called like the service.
func Propose(dir, service string) (Proposal, bool) {
	if p, ok := proposeGo(dir, service); ok {
		return p, true
	}
	for _, propose := range []func(dir string) (Proposal, bool){proposeNode, proposeRust, proposeJava, proposePython} {
		if p, ok := propose(dir); ok {
			return p, true
		}
	}
	return Proposal{}, false
}

// has returns the first of some files that a folder has, or "".
func has(dir string, names ...string) string {
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
			return name
		}
	}
	return ""
}

// proposeGo takes the main package of a module: its root, the one that is called like the service, or the only one under cmd.
func proposeGo(dir, service string) (Proposal, bool) {
	if has(dir, "go.mod") == "" {
		return Proposal{}, false
	}
	pkg := ""
	for _, candidate := range []string{".", "./cmd/" + service, "./" + service} {
		if pkg == "" && hasMain(filepath.Join(dir, candidate)) {
			pkg = candidate
		}
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "cmd")); err == nil && pkg == "" {
		mains := slices.DeleteFunc(entries, func(e os.DirEntry) bool { return !e.IsDir() || !hasMain(filepath.Join(dir, "cmd", e.Name())) })
		if len(mains) == 1 {
			pkg = "./cmd/" + mains[0].Name()
		}
	}
	if pkg == "" {
		return Proposal{}, false
	}
	abs, err := filepath.Abs(filepath.Join(dir, pkg))
	if err != nil {
		return Proposal{}, false
	}
	bin := "bin/" + filepath.Base(abs)
	return Proposal{Build: "go build -o " + bin + " " + pkg, Run: "./" + bin, Why: "go.mod"}, true
}

var packageMain = regexp.MustCompile(`(?m)^package main\b`)

// hasMain tells whether a folder has a Go program.
func hasMain(dir string) bool {
	files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	return slices.ContainsFunc(files, func(f string) bool {
		text, err := os.ReadFile(f)
		return err == nil && !strings.HasSuffix(f, "_test.go") && packageMain.Match(text)
	})
}

// proposeNode takes the script for development, or the one to start, or the main file.
func proposeNode(dir string) (Proposal, bool) {
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return Proposal{}, false
	}
	var pkg struct {
		Main    string            `json:"main"`
		Scripts map[string]string `json:"scripts"`
	}
	if err := json.Unmarshal(text, &pkg); err != nil {
		return Proposal{}, false
	}
	tool := "npm"
	switch {
	case has(dir, "pnpm-lock.yaml") != "":
		tool = "pnpm"
	case has(dir, "yarn.lock") != "":
		tool = "yarn"
	}
	p := Proposal{Build: tool + " install", Why: "package.json"}
	main := has(dir, pkg.Main, "server.js", "index.js", "app.js")
	switch {
	case pkg.Scripts["dev"] != "":
		p.Run = tool + " run dev"
	case pkg.Scripts["start"] != "":
		p.Run = tool + " run start"
	case main != "":
		p.Run = "node " + main
	}
	return p, p.Run != ""
}

var cargoName = regexp.MustCompile(`(?s)\[package\][^\[]*?\bname\s*=\s*"([^"]+)"`)

func proposeRust(dir string) (Proposal, bool) {
	text, err := os.ReadFile(filepath.Join(dir, "Cargo.toml"))
	m := cargoName.FindSubmatch(text)
	if err != nil || m == nil || has(dir, "src/main.rs") == "" {
		return Proposal{}, false
	}
	return Proposal{Build: "cargo build", Run: "./target/debug/" + string(m[1]), Why: "Cargo.toml"}, true
}

// proposeJava takes Maven or Gradle, by the project's own wrapper where it has one, with the Spring Boot plugin where it is used.
func proposeJava(dir string) (Proposal, bool) {
	if file := has(dir, "pom.xml"); file != "" {
		tool := "mvn"
		if has(dir, "mvnw") != "" {
			tool = "./mvnw"
		}
		if text, _ := os.ReadFile(filepath.Join(dir, file)); bytes.Contains(text, []byte("spring-boot-maven-plugin")) {
			return Proposal{Build: tool + " -q compile", Run: tool + " -q spring-boot:run", Why: file}, true
		}
		return Proposal{Build: tool + " -q compile", Run: tool + " -q exec:java", Why: file}, true
	}
	file := has(dir, "build.gradle", "build.gradle.kts")
	if file == "" {
		return Proposal{}, false
	}
	tool, task := "gradle", "run"
	if has(dir, "gradlew") != "" {
		tool = "./gradlew"
	}
	if text, _ := os.ReadFile(filepath.Join(dir, file)); bytes.Contains(text, []byte("org.springframework.boot")) {
		task = "bootRun"
	}
	return Proposal{Build: tool + " -q classes", Run: tool + " -q " + task, Why: file}, true
}

// proposePython takes Django's manage.py, or the file that programs are usually started by.
func proposePython(dir string) (Proposal, bool) {
	why := has(dir, "pyproject.toml", "requirements.txt", "Pipfile", "setup.py")
	if why == "" {
		return Proposal{}, false
	}
	python := "python3"
	if has(dir, ".venv/bin/python") != "" {
		python = ".venv/bin/python"
	}
	if has(dir, "manage.py") != "" {
		return Proposal{Run: python + " manage.py runserver", Why: "manage.py"}, true
	}
	if file := has(dir, "main.py", "app.py", "server.py", "__main__.py"); file != "" {
		return Proposal{Run: python + " -u " + file, Why: file}, true
	}
	return Proposal{}, false
}

// Write puts proposals into a compose file's text, as x-msdev of their services, and returns the new text. All other lines
// stay as they are. A service that has x-msdev.run keeps it, and one that is written as a reference to another is left alone.
func Write(text []byte, proposals map[string]Proposal) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, &runner.Error{Kind: runner.ErrUsage, Err: err, Msg: "the compose file cannot be read: " + err.Error(), Hint: "`msdev config` says more."}
	}
	if len(doc.Content) == 0 {
		return text, nil
	}
	lines := strings.SplitAfter(string(text), "\n")
	if last := len(lines) - 1; lines[last] == "" {
		lines = lines[:last]
	} else {
		lines[last] += "\n"
	}
	_, services := entry(doc.Content[0], "services")
	for i := 0; services != nil && i+1 < len(services.Content); i += 2 {
		key, service := services.Content[i], services.Content[i+1]
		if p, ok := proposals[key.Value]; ok && service.Kind == yaml.MappingNode && len(service.Content) > 0 {
			p.insert(lines, key, service)
		}
	}
	return []byte(strings.Join(lines, "")), nil
}

// insert puts a proposal into the lines of a service. New text goes onto the line that it follows, so that the numbers of
// the others stay right.
func (p Proposal) insert(lines []string, key, service *yaml.Node) {
	settingsKey, settings := entry(service, "x-msdev")
	if settings == nil {
		if service.Style&yaml.FlowStyle != 0 {
			intoFlow(lines, service, "x-msdev: {"+strings.Join(p.entries(nil), ", ")+"}, ")
			return
		}
		indent := strings.Repeat(" ", service.Content[0].Column-1)
		step := strings.Repeat(" ", max(2, service.Content[0].Column-key.Column))
		after(lines, key, service, indent+"x-msdev:\n"+indent+step+strings.Join(p.entries(nil), "\n"+indent+step)+"\n")
		return
	}
	if _, run := entry(settings, "run"); run != nil || settings.Kind != yaml.MappingNode || len(settings.Content) == 0 {
		return
	}
	if settings.Style&yaml.FlowStyle != 0 {
		intoFlow(lines, settings, strings.Join(p.entries(settings), ", ")+", ")
		return
	}
	indent := strings.Repeat(" ", settings.Content[0].Column-1)
	after(lines, settingsKey, settings, indent+strings.Join(p.entries(settings), "\n"+indent)+"\n")
}

// entries are the lines of x-msdev that settings lack.
func (p Proposal) entries(settings *yaml.Node) []string {
	var list []string
	if _, dir := entry(settings, "dir"); p.Dir != "" && dir == nil {
		list = append(list, "dir: "+p.Dir)
	}
	if _, build := entry(settings, "build"); p.Build != "" && build == nil {
		list = append(list, "build: "+p.Build)
	}
	return append(list, "run: "+p.Run)
}

// intoFlow puts text behind the opening brace of a mapping.
func intoFlow(lines []string, mapping *yaml.Node, text string) {
	line := []rune(lines[mapping.Line-1]) // YAML counts characters
	at := min(mapping.Column, len(line))
	lines[mapping.Line-1] = string(line[:at]) + text + string(line[at:])
}

// after puts text behind the last line of a block: it goes on as long as lines are indented deeper than its key.
func after(lines []string, key, block *yaml.Node, text string) {
	last := deepest(block)
	for at := last + 1; at <= len(lines); at++ {
		rest := strings.TrimLeft(lines[at-1], " ")
		if strings.TrimSpace(rest) == "" {
			continue
		}
		if len(lines[at-1])-len(rest) < key.Column {
			break
		}
		last = at
	}
	lines[last-1] += text
}

// deepest is the last line on which something of a node begins.
func deepest(n *yaml.Node) int {
	last := n.Line
	for _, child := range n.Content {
		last = max(last, deepest(child))
	}
	return last
}

// entry is a key of a mapping and its value, or nil.
func entry(n *yaml.Node, key string) (name, value *yaml.Node) {
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}
