package amqp

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
)

// Where RabbitMQ's image has its configuration.
const (
	confFile       = "/etc/rabbitmq/rabbitmq.conf"
	confFolder     = "/etc/rabbitmq/conf.d"
	definitionFile = "/etc/rabbitmq/definitions.json"
)

// Configure fills in what the files of a RabbitMQ container say, as far as it has a meaning here: its default user and vhost, and
// the definitions that it loads. files returns what stands at a path of the container, file by file where that is a folder. What is
// named and not there is returned as missing.
func (o *Options) Configure(files func(path string) ([][]byte, error)) (missing []string, err error) {
	settings := map[string]string{}
	for _, path := range []string{confFile, confFolder} {
		texts, err := files(path)
		if err != nil {
			return nil, err
		}
		for _, text := range texts {
			readConf(string(text), settings)
		}
	}
	if user := settings["default_user"]; user != "" && len(o.Users) == 0 {
		o.Users = map[string]string{user: settings["default_pass"]}
	}
	if vhost := settings["default_vhost"]; vhost != "" {
		o.Vhosts = append(o.Vhosts, vhost)
	}
	named := false
	for _, key := range []string{"load_definitions", "management.load_definitions", "definitions.local.path"} {
		path := settings[key]
		if path == "" {
			continue
		}
		named = true
		texts, err := files(path)
		if err != nil {
			return nil, err
		}
		if len(texts) == 0 {
			missing = append(missing, path)
		}
		o.Definitions = append(o.Definitions, texts...)
	}
	if !named {
		texts, err := files(definitionFile)
		if err != nil {
			return nil, err
		}
		o.Definitions = append(o.Definitions, texts...)
	}
	return missing, nil
}

// readConf reads the lines `key = value` of rabbitmq.conf; a value may stand in single quotes.
func readConf(text string, into map[string]string) {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		if key, value, ok := strings.Cut(line, "="); ok {
			into[strings.TrimSpace(key)] = strings.Trim(strings.TrimSpace(value), "'")
		}
	}
}

// users are those that a broker begins with: guest, unless the options or the definitions have others.
func (o *Options) users() map[string]string {
	if len(o.Users) > 0 {
		return o.Users
	}
	for _, text := range o.Definitions {
		var d definitions
		if json.Unmarshal(text, &d) == nil && len(d.Users) > 0 { // what cannot be read is told when it is loaded
			return nil
		}
	}
	return map[string]string{"guest": "guest"}
}

// define takes in definitions, as if they were posted to the management API.
func (b *Broker) define(text []byte) error {
	r, err := http.NewRequest(http.MethodPost, "/api/definitions", bytes.NewReader(text))
	if err != nil {
		return err
	}
	_, err = definitionAPI{&api{b: b}}.importAll(r)
	return err
}
