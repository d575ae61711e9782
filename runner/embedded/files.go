package embedded

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"msdev/runner"
)

// inMemory is the setting `data` of what is not to be kept.
const inMemory = "memory"

// dataOf is the folder of a service's data: as its settings say, or else one of the project's own. "" is none: in memory.
func (r *Runtime) dataOf(service string) string {
	r.mu.Lock()
	p := r.project
	r.mu.Unlock()
	switch dir := p.Services[service].Data; {
	case dir == inMemory:
		return ""
	case dir == "":
		return r.data(service)
	case filepath.IsAbs(dir):
		return dir
	default:
		return filepath.Join(p.Dir, dir)
	}
}

// files returns what a container of a service would find at a path, by its configs, secrets and bind mounts: the content of the
// file or, of a folder, that of its files in the order of their names. Nothing there is no error.
func files(p *runner.Project, s types.ServiceConfig, at string) ([][]byte, error) {
	at = path.Clean(at)
	for _, ref := range s.Configs {
		if inContainer("/", types.FileReferenceConfig(ref)) == at {
			return object(p, types.FileObjectConfig(p.Compose.Configs[ref.Source]))
		}
	}
	for _, ref := range s.Secrets {
		if inContainer("/run/secrets", types.FileReferenceConfig(ref)) == at {
			return object(p, types.FileObjectConfig(p.Compose.Secrets[ref.Source]))
		}
	}
	source, nearest := "", ""
	for _, v := range s.Volumes {
		target := path.Clean(v.Target)
		rest, below := strings.CutPrefix(at+"/", strings.TrimSuffix(target, "/")+"/")
		if v.Type == types.VolumeTypeBind && below && len(target) > len(nearest) {
			source, nearest = filepath.Join(v.Source, filepath.FromSlash(rest)), target
		}
	}
	if source == "" {
		return nil, nil
	}
	return read(source)
}

// inContainer is where a config or secret stands in a container.
func inContainer(folder string, ref types.FileReferenceConfig) string {
	target := ref.Target
	if target == "" {
		target = ref.Source
	}
	if path.IsAbs(target) {
		return path.Clean(target)
	}
	return path.Join(folder, target)
}

// object is the content of a config or secret.
func object(p *runner.Project, o types.FileObjectConfig) ([][]byte, error) {
	switch {
	case o.Content != "":
		return [][]byte{[]byte(o.Content)}, nil
	case o.Environment != "":
		return [][]byte{[]byte(p.Compose.Environment[o.Environment])}, nil
	case o.File != "":
		return read(o.File)
	}
	return nil, nil
}

// read returns the content of a file or, of a folder, that of its files by name.
func read(name string) ([][]byte, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.IsDir():
		text, err := os.ReadFile(name)
		return [][]byte{text}, err
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, err
	}
	var texts [][]byte
	for _, e := range slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.IsDir() }) {
		text, err := os.ReadFile(filepath.Join(name, e.Name()))
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}
