package runner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// The names under which compose files are found by themselves, the preferred first.
var (
	composeNames  = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}
	overrideNames = []string{"compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"}
)

// found is which files make a project, and in which environment they are read.
type found struct {
	workDir  string // where the user stands
	dir      string // the project directory
	files    []string
	envFiles []string // named by the user
	env      types.Mapping
	profiles []string
	warnings []string
	text     string // the compose file itself, where there are no files
}

// discover finds the files of a project as Compose does. The environment grows on the way: .env beside the user or the first
// named file may say COMPOSE_FILE, and .env beside the files that are found so fills in the rest.
func discover(o LoadOptions) (*found, error) {
	f := &found{env: types.Mapping{}}
	if err := f.stand(o); err != nil {
		return nil, err
	}
	if err := f.nameEnvFiles(o); err != nil {
		return nil, err
	}
	if f.text = o.Text; f.text != "" {
		f.dir = f.home(o)
		return f, nil
	}
	for _, name := range o.Files {
		if err := f.add(name, ""); err != nil {
			return nil, err
		}
	}
	if err := f.readEnvFiles(f.home(o)); err != nil {
		return nil, err
	}
	if err := f.findFiles(o); err != nil {
		return nil, err
	}
	f.dir = f.home(o)
	if err := f.readEnvFiles(f.dir); err != nil {
		return nil, err
	}
	f.profiles = o.Profiles
	if len(f.profiles) == 0 {
		for p := range strings.SplitSeq(f.env["COMPOSE_PROFILES"], ",") {
			if p = strings.TrimSpace(p); p != "" {
				f.profiles = append(f.profiles, p)
			}
		}
	}
	return f, nil
}

// stand fills in where the user stands and the user's environment.
func (f *found) stand(o LoadOptions) error {
	f.workDir = o.WorkDir
	if f.workDir == "" {
		wd, err := os.Getwd()
		if err != nil {
			return &Error{Kind: ErrUsage, Msg: fmt.Sprintf("the working directory cannot be told: %v", err), Hint: "Change to a folder that exists.", Err: err}
		}
		f.workDir = wd
	}
	environ := o.Environ
	if environ == nil {
		environ = os.Environ()
	}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k != "" {
			f.env[k] = v
		}
	}
	if _, ok := f.env["PWD"]; !ok {
		f.env["PWD"] = f.workDir
	}
	return nil
}

// home is the project directory as far as it is known: the one asked for, the folder of the first file, or where the user stands.
func (f *found) home(o LoadOptions) string {
	switch {
	case o.Dir != "":
		return f.abs(o.Dir)
	case len(f.files) > 0:
		return filepath.Dir(f.files[0])
	default:
		return f.workDir
	}
}

func (f *found) abs(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(f.workDir, path)
}

// add takes a file that the user named, by -f or by the variable that origin tells.
func (f *found) add(name, origin string) error {
	if name == "-" {
		return usage("a session cannot read its compose file from standard input, as it has to read it again", "Write it to a file, and name that by -f.")
	}
	path := f.abs(name)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		e := fileError("compose file", name, path, err)
		if origin != "" {
			e.Hint = fmt.Sprintf("It is named by %s.", origin)
		}
		return e
	case info.IsDir():
		return usage(fmt.Sprintf("the compose file %q is a folder", name), fmt.Sprintf("Name a file in it, or use --project-directory %s.", name))
	}
	f.files = append(f.files, path)
	return nil
}

// nameEnvFiles takes the files of --env-file or COMPOSE_ENV_FILES, which must exist.
func (f *found) nameEnvFiles(o LoadOptions) error {
	names := o.EnvFiles
	if len(names) == 0 {
		names = strings.FieldsFunc(f.env["COMPOSE_ENV_FILES"], func(r rune) bool { return r == ',' })
	}
	for _, name := range names {
		path := f.abs(name)
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return fileError("env file", name, path, err)
		case info.IsDir():
			return usage(fmt.Sprintf("the env file %q is a folder", name), "Name a file in it.")
		}
		f.envFiles = append(f.envFiles, path)
	}
	return nil
}

// readEnvFiles adds the variables of the named env files, or of .env in dir, to those that are not set yet.
func (f *found) readEnvFiles(dir string) error {
	files := f.envFiles
	if len(files) == 0 {
		if off, err := f.boolean("COMPOSE_DISABLE_ENV_FILE"); off || err != nil {
			return err
		}
		dotEnv := filepath.Join(dir, ".env")
		info, err := os.Stat(dotEnv)
		if errors.Is(err, fs.ErrPermission) {
			f.warnings = append(f.warnings, fmt.Sprintf("%s may not be read, so it is left out.", dotEnv))
		}
		there := err == nil && !info.IsDir()
		if !there {
			return nil
		}
		files = []string{dotEnv}
	}
	var vars map[string]string
	var err error
	f.warnings = append(f.warnings, composeWarnings(func() { vars, err = dotenv.GetEnvFromFile(f.env, files) })...)
	if err != nil {
		msg := err.Error()
		if m := envFileLine.FindStringSubmatch(msg); m != nil {
			msg = position{file: show(f.workDir, m[1])}.String() + ":" + m[2] + ": " + m[3]
		}
		return &Error{Kind: ErrUsage, Msg: msg, Hint: "An env file has lines of the form NAME=value.", Err: err}
	}
	f.env.Merge(vars)
	return nil
}

var envFileLine = regexp.MustCompile(`(?s)^failed to read (.+?): line (\d+): (.*)$`)

func (f *found) boolean(name string) (bool, error) {
	value, ok := f.env[name]
	if !ok || value == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(value)
	if err != nil {
		return false, usage(fmt.Sprintf("%s is %q, which is neither true nor false", name, value), "Set it to true or false, or unset it.")
	}
	return b, nil
}

// findFiles looks for the compose files where the user has not named them: COMPOSE_FILE, then the known names in the project
// directory and its parents.
func (f *found) findFiles(o LoadOptions) error {
	if len(f.files) > 0 {
		return nil
	}
	if list, ok := f.env["COMPOSE_FILE"]; ok {
		sep := f.env["COMPOSE_PATH_SEPARATOR"]
		if sep == "" {
			sep = string(os.PathListSeparator)
		}
		for name := range strings.SplitSeq(list, sep) {
			if err := f.add(name, "COMPOSE_FILE"); err != nil {
				return err
			}
		}
		return nil
	}
	start := f.home(o)
	for dir := start; ; dir = filepath.Dir(dir) {
		if main := f.first(dir, composeNames); main != "" {
			f.files = append(f.files, main)
			if override := f.first(dir, overrideNames); override != "" {
				f.files = append(f.files, override)
			}
			return nil
		}
		if dir == filepath.Dir(dir) {
			return &Error{Kind: ErrUsage, Msg: fmt.Sprintf("no compose file in %s or any folder above it", start),
				Hint: "Go to the folder that holds compose.yaml, or name the file: msdev -f FILE …", Err: ErrNoFile}
		}
	}
}

// first is the first of names that is in dir; the others are warned of.
func (f *found) first(dir string, names []string) string {
	var there []string
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
			there = append(there, name)
		}
	}
	if len(there) == 0 {
		return ""
	}
	if len(there) > 1 {
		f.warnings = append(f.warnings, fmt.Sprintf("%s holds %s: using %s.", dir, strings.Join(there, " and "), there[0]))
	}
	return filepath.Join(dir, there[0])
}

// projectName follows Compose's precedence: -p, COMPOSE_PROJECT_NAME, `name:` in a file, the name of the folder.
func (f *found) projectName(o LoadOptions, named bool) (name string, explicit bool, err error) {
	origin := "-p"
	switch {
	case o.Name != "":
		name = o.Name
	case f.env["COMPOSE_PROJECT_NAME"] != "":
		name, origin = f.env["COMPOSE_PROJECT_NAME"], "COMPOSE_PROJECT_NAME"
	case named:
		return "", false, nil
	default:
		name = loader.NormalizeProjectName(filepath.Base(f.dir))
		if name == "" {
			return "", false, usage(fmt.Sprintf("the folder %s gives no project name", f.dir), "Give one: -p NAME, or `name: NAME` in the compose file.")
		}
		return name, false, nil
	}
	if fixed := loader.NormalizeProjectName(name); fixed != name {
		hint := "It has lower-case letters, digits, - and _ only, and starts with a letter or digit."
		if fixed != "" {
			hint += fmt.Sprintf(" Did you mean %q?", fixed)
		}
		return "", false, usage(fmt.Sprintf("%q, from %s, cannot be a project name", name, origin), hint)
	}
	return name, true, nil
}

func usage(msg, hint string) *Error { return &Error{Kind: ErrUsage, Msg: msg, Hint: hint} }

// fileError tells why a file that was named cannot be read.
func fileError(what, name, path string, err error) *Error {
	e := &Error{Kind: ErrUsage, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Msg = fmt.Sprintf("the %s %q does not exist", what, name)
		e.Hint = fmt.Sprintf("It was looked for at %s.", path)
	case errors.Is(err, fs.ErrPermission):
		e.Msg = fmt.Sprintf("the %s %q may not be read", what, name)
		e.Hint = fmt.Sprintf("Its owner can allow it: chmod +r %s", path)
	default:
		e.Msg = fmt.Sprintf("the %s %q cannot be read: %v", what, name, err)
	}
	return e
}
