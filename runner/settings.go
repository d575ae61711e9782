package runner

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// settingsKey is where msdev's own settings stand in a compose file: at the top, and in each service.
const settingsKey = "x-msdev"

// Settings are the project's x-msdev.
type Settings struct {
	Runtime string           `yaml:"runtime" one:"auto docker process" doc:"where services run that do not say it themselves; auto: in containers where an engine answers, else as processes"`
	Brokers []BrokerSettings `yaml:"brokers" doc:"brokers outside of the project"`
	Record  string           `yaml:"record" one:"off on" doc:"keep what happens in a file"`

	Protos   []string          `yaml:"protos" doc:"folders or files of protobuf definitions, or descriptor sets, to read messages by, beside those of the services"`
	Types    map[string]string `yaml:"types" doc:"which protobuf message a queue, topic, exchange or routing key carries: {orders: shop.Order}"`
	Registry string            `yaml:"registry" doc:"URL of a schema registry, for Avro and Confluent's wire format; its host may be a service"`
}

// BrokerSettings name a broker outside of the project.
type BrokerSettings struct {
	Name  string `yaml:"name" doc:"how it is called in msdev"`
	URL   string `yaml:"url" doc:"where it is: amqp://, amqps://, kafka://"`
	Allow string `yaml:"allow" one:"read write" doc:"what msdev may do there"`
}

// ServiceSettings are a service's x-msdev. What is not set is empty and means the default.
type ServiceSettings struct {
	Runtime string            `yaml:"runtime" one:"auto docker process" doc:"where the service runs; auto: where the project does"`
	Build   Command           `yaml:"build" doc:"run before each start of the process; while it fails, the old version goes on"`
	Run     Command           `yaml:"run" doc:"the process that is the service; {{.Port 8080}} is the port to listen on for what the file calls 8080, {{.Volume \"data\"}} the folder of a named volume"`
	Dir     string            `yaml:"dir" doc:"the folder in which both run, relative to the project; default: the build context"`
	Env     map[string]string `yaml:"env" doc:"variables of the process, on top of the service's environment; templates as in run"`
	Ready   Ready             `yaml:"ready" doc:"how to tell that the process can take work; default: the healthcheck, or its ports"`
	Watch   Watch             `yaml:"watch" doc:"what to watch for changes; default: the build context"`
	Reload  string            `yaml:"reload" one:"restart swap manual off" doc:"what a change does; swap: the new version takes the traffic once it is ready"`
	Calls   string            `yaml:"calls" one:"off tee terminate" doc:"how calls into the service are watched"`
	Protos  []string          `yaml:"protos" doc:"folders or files of protobuf definitions, to read calls and messages by"`
	Broker  string            `yaml:"broker" one:"rabbitmq kafka none" doc:"which broker the service is, where its image does not say it"`
	Data    string            `yaml:"data" doc:"of a broker inside msdev: memory, where its data goes with it, or a folder; default: a folder of msdev's own for the project"`
}

// Command is a program with its arguments, or a single string as a shell would read it.
type Command struct {
	Line string   // where it was written as a string
	Args []string // where it was written as a list
}

// IsZero tells that nothing was written.
func (c Command) IsZero() bool { return c.Line == "" && len(c.Args) == 0 }

// Ready is how to tell that a native service can take work. At most one is set.
type Ready struct {
	HTTP string   `yaml:"http" doc:"PORT/path answers with success"`
	TCP  int      `yaml:"tcp" doc:"the port takes a connection"`
	GRPC int      `yaml:"grpc" doc:"the port's gRPC health service says SERVING"`
	Log  string   `yaml:"log" doc:"a line of output matches this regular expression"`
	Exec []string `yaml:"exec" doc:"this command ends with code 0"`
}

// Watch is what to watch for changes, and what not.
type Watch struct {
	Paths  []string `yaml:"paths" doc:"files and folders, relative to the project"`
	Ignore []string `yaml:"ignore" doc:"patterns as in .dockerignore, beside those of .dockerignore and .gitignore"`
}

// readSettings decodes x-msdev of the project and of each enabled service.
func (p *Project) readSettings() error {
	d := decoder{src: p.src}
	p.Settings = Settings{}
	if v, ok := p.Compose.Extensions[settingsKey]; ok {
		d.into(reflect.ValueOf(&p.Settings).Elem(), v, settingsKey)
	}
	p.Services = make(map[string]ServiceSettings, len(p.Compose.Services))
	for _, name := range p.Order {
		var s ServiceSettings
		if v, ok := p.Compose.Services[name].Extensions[settingsKey]; ok {
			d.into(reflect.ValueOf(&s).Elem(), v, "services", name, settingsKey)
		}
		if c := p.Compose.Services[name]; c.Image == "" && c.Build == nil && c.Provider == nil { // it has x-msdev.run, or would not have been read
			if s.Runtime == "docker" {
				d.fail([]string{"services", name, settingsKey, "runtime"}, "Give it `image: NAME` or `build: FOLDER`, or leave the runtime out: it runs as a process.",
					"service %q has neither an image nor a build, so no container can run it", name)
			}
			s.Runtime = Native
		}
		if d.err != nil {
			break
		}
		p.Services[name] = s
	}
	if d.err != nil { // not `return d.err`: a nil *Error in an error is not nil
		return d.err
	}
	return nil
}

// decoder fills structs from the model's untyped values and keeps the first error. It is strict: a key that is not known is an
// error with file and line.
type decoder struct {
	src *sources
	err *Error
}

func (d *decoder) fail(path []string, hint, format string, args ...any) {
	if d.err == nil {
		d.err = d.src.fail(d.src.find(path...), "%s: %s", strings.Join(path, "."), fmt.Sprintf(format, args...))
		d.err.Hint = hint
	}
}

// into decodes v, which stands at path, into to.
func (d *decoder) into(to reflect.Value, v any, path ...string) {
	if v == nil || d.err != nil {
		return
	}
	switch target := to.Addr().Interface().(type) {
	case *Command:
		if line, ok := v.(string); ok {
			target.Line = line
			return
		}
		d.list(reflect.ValueOf(&target.Args).Elem(), v, path)
		return
	case *Watch:
		if _, isMap := v.(map[string]any); !isMap {
			d.list(reflect.ValueOf(&target.Paths).Elem(), v, path)
			return
		}
	}
	switch to.Kind() {
	case reflect.Struct:
		d.fields(to, v, path)
	case reflect.Slice:
		d.list(to, v, path)
	case reflect.Map:
		d.strings(to, v, path)
	case reflect.Int:
		n, ok := v.(int)
		if !ok || n < 1 || n > 65535 {
			d.fail(path, "Give a number from 1 to 65535.", "%v is no port", v)
			return
		}
		to.SetInt(int64(n))
	default:
		switch v.(type) {
		case string, int, float64, bool:
			to.SetString(text(v))
		default:
			d.fail(path, "", "must be a string")
		}
	}
}

// text writes a YAML scalar as a user would; `off` and `on` are words to us, wherever YAML takes them for booleans.
func text(v any) string {
	if b, ok := v.(bool); ok {
		if b {
			return "on"
		}
		return "off"
	}
	return fmt.Sprint(v)
}

func (d *decoder) fields(to reflect.Value, v any, path []string) {
	entries, ok := v.(map[string]any)
	if !ok {
		d.fail(path, "", "must be a mapping")
		return
	}
	known := map[string]int{}
	var names []string
	for i := range to.NumField() {
		name := to.Type().Field(i).Tag.Get("yaml")
		known[name] = i
		names = append(names, name)
	}
	for _, key := range sortedKeys(entries) {
		at := append(slices.Clone(path), key)
		i, ok := known[key]
		if !ok {
			hint := fmt.Sprintf("It has: %s.", strings.Join(names, ", "))
			if like := Nearest(key, names); like != "" {
				hint = didYouMean(like)
			}
			d.err = d.src.fail(d.src.find(at...), "%s: unknown key %q", strings.Join(path, "."), key)
			d.err.Hint = hint
			return
		}
		d.into(to.Field(i), entries[key], at...)
		if one := strings.Fields(to.Type().Field(i).Tag.Get("one")); len(one) > 0 && !slices.Contains(one, to.Field(i).String()) {
			d.fail(at, fmt.Sprintf("It is one of: %s.", strings.Join(one, ", ")), "%q is not a value of it", to.Field(i).String())
		}
		if d.err != nil {
			return
		}
	}
	if to.Type() == reflect.TypeFor[Ready]() && len(entries) > 1 {
		d.fail(path, "Keep one of them.", "a service is ready by one test, and here are %s", strings.Join(sortedKeys(entries), " and "))
	}
}

// list decodes a list, or a single value as a list of one.
func (d *decoder) list(to reflect.Value, v any, path []string) {
	items, ok := v.([]any)
	if !ok {
		if _, isMap := v.(map[string]any); isMap {
			d.fail(path, "", "must be a list")
			return
		}
		items = []any{v}
	}
	out := reflect.MakeSlice(to.Type(), len(items), len(items))
	for i, item := range items {
		d.into(out.Index(i), item, append(slices.Clone(path), fmt.Sprint(i))...)
	}
	to.Set(out)
}

// strings decodes a mapping to strings; a list of NAME=value does as well, as in `environment`.
func (d *decoder) strings(to reflect.Value, v any, path []string) {
	out := map[string]string{}
	switch entries := v.(type) {
	case map[string]any:
		for key, value := range entries {
			if value == nil {
				value = ""
			}
			out[key] = fmt.Sprint(value)
		}
	case []any:
		for _, item := range entries {
			name, value, ok := strings.Cut(fmt.Sprint(item), "=")
			if !ok {
				d.fail(path, "", "%q is not of the form NAME=value", name)
			}
			out[name] = value
		}
	default:
		d.fail(path, "", "must be a mapping")
	}
	to.Set(reflect.ValueOf(out))
}
