package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"
)

// Render writes the merged model as YAML or, for "json", as JSON. Variables are in place, and so each dollar sign is doubled, which makes
// the result a compose file of its own.
func (p *Project) Render(format string) ([]byte, error) {
	out, err := p.Compose.MarshalYAML()
	if format == "json" {
		out, err = p.Compose.MarshalJSON()
		out = append(out, '\n')
	}
	return bytes.ReplaceAll(out, []byte("$"), []byte("$$")), err
}

// RenderRaw merges the files without putting variables in place, and writes the result like Render.
func RenderRaw(ctx context.Context, o LoadOptions, format string) ([]byte, error) {
	at, err := discover(o)
	if err != nil {
		return nil, err
	}
	src, err := readSources(at)
	if err != nil {
		return nil, err
	}
	name, explicit, err := at.projectName(o, src.named())
	if err != nil {
		return nil, err
	}
	var model map[string]any
	composeWarnings(func() {
		defer recovered(&err)
		model, err = loader.LoadModelWithContext(ctx, types.ConfigDetails{WorkingDir: at.dir, ConfigFiles: src.configFiles(), Environment: at.env.Clone()},
			func(o *loader.Options) {
				if name != "" {
					o.SetProjectName(name, explicit)
				}
				o.SkipInterpolation = true
			})
	})
	if err != nil {
		return nil, src.explain(err)
	}
	if format == "json" {
		out, err := json.MarshalIndent(model, "", "  ")
		return append(out, '\n'), err
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	err = enc.Encode(model)
	return b.Bytes(), err
}

// recovered turns a panic into an error: compose-go asserts types that some malformed files do not have.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the compose file has a value of a kind that is not allowed where it stands (%v)", r)
	}
}
