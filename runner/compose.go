package runner

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"
)

// compose has compose-go merge the files into one model. Services that need an env file are not resolved yet, as those of
// disabled services need not exist.
func compose(ctx context.Context, at *found, src *sources, name string, explicit bool) (*types.Project, []string, error) {
	load := func(consistent bool) (*types.Project, error) {
		return bind(ctx, types.ConfigDetails{WorkingDir: at.dir, ConfigFiles: src.configFiles(), Environment: at.env.Clone()}, func(o *loader.Options) {
			if name != "" {
				o.SetProjectName(name, explicit)
			}
			o.Profiles = at.profiles
			o.SkipResolveEnvironment = true
			o.SkipResolveLabels = true
			o.SkipConsistencyCheck = !consistent
		})
	}
	var model *types.Project
	var err error
	warnings := composeWarnings(func() {
		defer recovered(&err)
		model, err = load(true)
		if err == nil {
			return
		}
		err = src.explain(err)
		if loose, looseErr := load(false); looseErr == nil { // readable, but it does not fit together: find out where
			if found := src.diagnose(loose); found != nil {
				err = found
			}
		}
	})
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	if err != nil {
		return nil, nil, src.explain(err)
	}
	return model, warnings, nil
}

// bind loads a model. Compose wants an image or a build of each service; one that has an x-msdev.run needs neither, so it passes
// for one of a provider while it is checked.
func bind(ctx context.Context, details types.ConfigDetails, options func(*loader.Options)) (*types.Project, error) {
	model, err := loader.LoadModelWithContext(ctx, details, options)
	if err != nil {
		return nil, err
	}
	services, _ := model["services"].(map[string]any)
	var native []string
	for name, s := range services {
		if service, ok := s.(map[string]any); ok && service["image"] == nil && service["build"] == nil && service["provider"] == nil && runs(service[settingsKey]) {
			service["provider"] = map[string]any{"type": settingsKey}
			native = append(native, name)
		}
	}
	o := loader.ToOptions(&details, []func(*loader.Options){options})
	if name, ok := model["name"].(string); ok { // as the files say it, or as it was given
		o.SetProjectName(name, true)
	}
	p, err := loader.ModelToProject(model, o, details)
	if err != nil {
		return nil, err
	}
	for _, all := range []types.Services{p.Services, p.DisabledServices} {
		for _, name := range native {
			if s, ok := all[name]; ok {
				s.Provider = nil
				all[name] = s
			}
		}
	}
	return p, nil
}

// runs tells whether the settings of a service, not decoded yet, say how it runs.
func runs(settings any) bool {
	entries, ok := settings.(map[string]any)
	return ok && entries["run"] != nil
}

// composeLog guards logrus's standard logger, the only way by which compose-go tells its warnings.
var composeLog sync.Mutex

// composeWarnings runs f and returns what compose-go warned of meanwhile, without repetitions.
func composeWarnings(f func()) []string {
	composeLog.Lock()
	defer composeLog.Unlock()
	var heard listener
	logger := logrus.StandardLogger()
	out, hooks := logger.Out, logger.ReplaceHooks(logrus.LevelHooks{logrus.WarnLevel: {&heard}})
	logger.SetOutput(io.Discard)
	defer func() {
		logger.SetOutput(out)
		logger.ReplaceHooks(hooks)
	}()
	f()
	return heard.texts
}

// listener collects what logrus is told.
type listener struct{ texts []string }

// Levels is for logrus.
func (l *listener) Levels() []logrus.Level { return []logrus.Level{logrus.WarnLevel} }

// Fire is for logrus.
func (l *listener) Fire(e *logrus.Entry) error {
	if text := strings.TrimSpace(e.Message); !slices.Contains(l.texts, text) {
		l.texts = append(l.texts, text)
	}
	return nil
}
