package runner

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

func TestSchemaIsPublished(t *testing.T) {
	want, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(want), `"description": ""`) {
		t.Error("a setting has no tag `doc` that says what it is for")
	}
	got, err := os.ReadFile("../docs/x-msdev.schema.json")
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/x-msdev.schema.json is not that of the settings (%v): go run . config --schema > docs/x-msdev.schema.json", err)
	}
}

// TestSchemaAcceptsWhatIsRead holds the schema against the decoder: both take a file, or neither does.
func TestSchemaAcceptsWhatIsRead(t *testing.T) {
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("x-msdev.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("x-msdev.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	validate := func(text []byte) error {
		var v any
		if err := yaml.Unmarshal(text, &v); err != nil {
			return err
		}
		return schema.Validate(v)
	}
	shop, err := os.ReadFile("../samples/shop/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(shop); err != nil {
		t.Errorf("the shop: %v", err)
	}
	for settings, fine := range map[string]bool{
		"run: ./a": true, "run: [./a, 1]": true, "run: {a: b}": false, "runn: ./a": false,
		"env: {A: 1, B: , C: x}": true, "env: [A=1]": true, "env: [A]": false,
		"ready: {tcp: 80}": true, "ready: {tcp: 80, grpc: 81}": false, "ready: {tcp: 70000}": false, "ready: {exec: [a, b]}": true,
		"watch: ./a": true, "watch: [./a, ./b]": true, "watch: {paths: ./a, ignore: [b]}": true, "watch: {path: a}": false,
		"reload: off": true, "reload: swap": true, "reload: sometimes": false, "calls: tee": true,
		"protos: ./proto": true, "protos: {a: b}": false, "data: memory": true, "runtime: kubernetes": false,
	} {
		file := "services:\n  a:\n    image: x\n    x-msdev:\n      " + settings + "\n"
		_, err := Load(t.Context(), LoadOptions{WorkDir: write(t, map[string]string{"compose.yaml": file}), Environ: []string{}})
		if (err == nil) != fine {
			t.Errorf("%s is read: %v", settings, err)
		}
		if err := validate([]byte(file)); (err == nil) != fine {
			t.Errorf("%s is validated: %v", settings, err)
		}
	}
	for settings, fine := range map[string]bool{"{runtime: process, record: off}": true, "{brokers: [{name: a, url: b, allow: read}]}": true, "{brokers: [{allow: all}]}": false, "{run: a}": false} {
		file := "x-msdev: " + settings + "\nservices: {a: {image: x}}\n"
		_, err := Load(t.Context(), LoadOptions{WorkDir: write(t, map[string]string{"compose.yaml": file}), Environ: []string{}})
		if invalid := validate([]byte(file)); (err == nil) != fine || (invalid == nil) != fine {
			t.Errorf("%s is read: %v, and validated: %v", settings, err, invalid)
		}
	}
}
