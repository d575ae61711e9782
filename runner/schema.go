package runner

import (
	"encoding/json"
	"reflect"
	"strings"
)

// Schema is the JSON schema (draft 2020-12) of x-msdev in a compose file, made from the types that it is read into. An editor takes
// it beside the one of Compose.
func Schema() ([]byte, error) {
	out, err := json.MarshalIndent(object{
		"$schema":     "https://json-schema.org/draft/2020-12/schema",
		"title":       settingsKey,
		"description": "The settings of msdev in a compose file: of the project at its top, and of each service.",
		"type":        "object",
		"properties": object{
			settingsKey: object{"$ref": "#/$defs/project"},
			"services": object{"type": "object", "additionalProperties": object{
				"properties": object{settingsKey: object{"$ref": "#/$defs/service"}},
			}},
		},
		"$defs": object{
			"project": schemaOf(reflect.TypeFor[Settings]()),
			"service": schemaOf(reflect.TypeFor[ServiceSettings]()),
		},
	}, "", "  ")
	return append(out, '\n'), err
}

type object = map[string]any

// schemaOf describes what decoder.into accepts for a type.
func schemaOf(t reflect.Type) object {
	scalar := object{"type": []string{"string", "number", "boolean"}}
	switch t {
	case reflect.TypeFor[Command]():
		return object{"anyOf": []object{{"type": "string"}, {"type": "array", "items": scalar, "minItems": 1}}}
	case reflect.TypeFor[Watch]():
		return object{"anyOf": []object{schemaOf(reflect.TypeFor[[]string]()), structSchema(t)}}
	case reflect.TypeFor[Ready]():
		ready := structSchema(t)
		ready["maxProperties"] = 1
		return ready
	}
	switch t.Kind() {
	case reflect.Struct:
		return structSchema(t)
	case reflect.Slice:
		items := schemaOf(t.Elem())
		if t.Elem().Kind() != reflect.String {
			return object{"type": "array", "items": items}
		}
		return object{"anyOf": []object{scalar, {"type": "array", "items": items}}}
	case reflect.Map:
		return object{"anyOf": []object{
			{"type": "object", "additionalProperties": object{"type": []string{"string", "number", "boolean", "null"}}},
			{"type": "array", "items": object{"type": "string", "pattern": "="}},
		}}
	case reflect.Int:
		return object{"type": "integer", "minimum": 1, "maximum": 65535}
	}
	return scalar
}

// structSchema describes a mapping with the keys that a struct's tags name, and no others.
func structSchema(t reflect.Type) object {
	properties := object{}
	for i := range t.NumField() {
		field := t.Field(i)
		s := schemaOf(field.Type)
		if one := strings.Fields(field.Tag.Get("one")); len(one) > 0 {
			s = object{"enum": words(one)}
		}
		s["description"] = field.Tag.Get("doc")
		properties[field.Tag.Get("yaml")] = s
	}
	return object{"type": "object", "properties": properties, "additionalProperties": false}
}

// words are the values of an enumeration; on and off may be written as the booleans that they are to some readers of YAML.
func words(one []string) []any {
	var all []any
	for _, w := range one {
		all = append(all, w)
		switch w {
		case "on":
			all = append(all, true)
		case "off":
			all = append(all, false)
		}
	}
	return all
}
