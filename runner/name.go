package runner

import (
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
)

// ProjectName tells the name of the project that Load would load. It reads no more than it has to, so that a session can be
// found although its files have become wrong.
func ProjectName(o LoadOptions) (string, error) {
	for _, entry := range o.Environ {
		if value, ok := strings.CutPrefix(entry, "COMPOSE_PROJECT_NAME="); ok && o.Name == "" {
			o.Name = value
		}
	}
	if o.Name != "" {
		name, _, err := (&found{}).projectName(o, false)
		return name, err
	}
	at, err := discover(o)
	if err != nil {
		return "", err
	}
	src, err := readSources(at)
	if err != nil {
		return "", err
	}
	name, _, err := at.projectName(o, src.named())
	if name != "" || err != nil {
		return name, err
	}
	written, place := src.name()
	name, err = template.SubstituteWithOptions(written, func(key string) (string, bool) { v, ok := at.env[key]; return v, ok }, template.WithoutLogging)
	if name = loader.NormalizeProjectName(name); name == "" {
		e := src.fail(place, "%q cannot be a project name", written)
		e.Hint, e.Err = "Give one: -p NAME, or `name: NAME` in the compose file.", err
		return "", e
	}
	return name, nil
}
