package amqp

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestConfigure(t *testing.T) {
	for _, test := range []struct {
		name        string
		files       map[string]string // by path; a folder's files under its own
		definitions string
		users       map[string]string
		missing     string
	}{
		{name: "nothing", users: map[string]string{"guest": "guest"}},
		{name: "by the file's name", files: map[string]string{definitionFile: `{}`}, definitions: "{}", users: map[string]string{"guest": "guest"}},
		{name: "by rabbitmq.conf", files: map[string]string{confFile: "# hello\nload_definitions = '/d/all.json' # here\n", "/d/all.json": `{"users": [{"name": "me"}]}`, definitionFile: "no"},
			definitions: `{"users": [{"name": "me"}]}`},
		{name: "the old key in conf.d", files: map[string]string{confFolder: "management.load_definitions=/x.json\ndefault_user = a\ndefault_pass = b", "/x.json": "{}"},
			definitions: "{}", users: map[string]string{"a": "b"}},
		{name: "not there", files: map[string]string{confFile: "definitions.local.path = /gone"}, missing: "/gone", users: map[string]string{"guest": "guest"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var o Options
			missing, err := o.Configure(func(path string) ([][]byte, error) {
				if text, ok := test.files[path]; ok {
					return [][]byte{[]byte(text)}, nil
				}
				return nil, nil
			})
			var all []string
			for _, d := range o.Definitions {
				all = append(all, string(d))
			}
			if err != nil || strings.Join(all, " ") != test.definitions || strings.Join(missing, " ") != test.missing || !maps.Equal(o.users(), test.users) {
				t.Errorf("%q %q %v (%v)", all, missing, o.users(), err)
			}
		})
	}
	broken := errors.New("broken")
	if _, err := new(Options).Configure(func(string) ([][]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("what cannot be read: %v", err)
	}
}

func TestDefinitionsAtTheStart(t *testing.T) {
	text := []byte(`{"vhosts": [{"name": "/"}, {"name": "shop"}],
		"users": [{"name": "me", "password": "secret", "tags": ["administrator"]}],
		"permissions": [{"user": "me", "vhost": "shop", "configure": ".*", "write": ".*", "read": ".*"}],
		"exchanges": [{"name": "orders", "vhost": "shop", "type": "topic", "durable": true}],
		"queues": [{"name": "all", "vhost": "shop", "durable": true, "arguments": {"x-max-length": 5}}],
		"bindings": [{"source": "orders", "vhost": "shop", "destination": "all", "destination_type": "queue", "routing_key": "#", "arguments": {}}]}`)
	dir := t.TempDir()
	for range 2 { // the second time everything is there already
		b, err := Open(Options{Dir: dir, Definitions: [][]byte{text}})
		if err != nil {
			t.Fatal(err)
		}
		v := b.vhost("shop")
		if v == nil || len(v.allBindings()) == 0 || b.users.get("me") == nil || b.users.get("guest") != nil {
			t.Errorf("the definitions are not there: %v, users %v", v, slices.Collect(maps.Keys(b.users.list)))
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, bad := range []string{"{", `{"queues": [{"name": "q", "vhost": "nowhere"}]}`} {
		if b, err := Open(Options{Definitions: [][]byte{[]byte(bad)}}); err == nil {
			_ = b.Close()
			t.Errorf("%s is taken", bad)
		}
	}
}
