package tui

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Settings are a person's own, for every project.
type Settings struct {
	Theme ThemeName           // empty is ThemeAuto
	Keys  map[string][]string // by action, as the help names them
}

// SettingsFile is where the person's settings lie: msdev/config.yaml in the XDG configuration folder.
func SettingsFile() (string, error) {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "msdev", "config.yaml"), nil
}

// LoadSettings reads a settings file; one that is not there is empty. Errors name the file and the line, and on a line
// of its own the way out.
func LoadSettings(path string) (Settings, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Settings{}, nil
	}
	if err != nil {
		return Settings{}, fmt.Errorf("cannot read the settings: %w\nCorrect the file's permissions, or remove it.", err)
	}
	s, err := parseSettings(data)
	if err != nil {
		return Settings{}, fmt.Errorf("%s:%w", path, err)
	}
	return s, nil
}

// parseSettings reads the text of a settings file. Its errors begin with the line.
func parseSettings(data []byte) (Settings, error) {
	var s Settings
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return s, fmt.Errorf(" %s\nThe file is YAML: theme: dark, and keys: {restart: [r]}.", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if len(doc.Content) == 0 {
		return s, nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return s, fmt.Errorf("%d: the settings are not a mapping\nWrite theme: dark, or keys: {restart: [r]}.", root.Line)
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		name, value := root.Content[i], root.Content[i+1]
		var err error
		switch name.Value {
		case "theme":
			s.Theme, err = themeOf(value)
		case "keys":
			s.Keys, err = keysOf(value)
		default:
			err = fmt.Errorf("%d: unknown setting %q\n%s", name.Line, name.Value, suggestion(name.Value, []string{"theme", "keys"}))
		}
		if err != nil {
			return Settings{}, err
		}
	}
	return s, nil
}

func themeOf(n *yaml.Node) (ThemeName, error) {
	if !slices.Contains(themeNames, n.Value) {
		return "", fmt.Errorf("%d: unknown theme %q\n%s", n.Line, n.Value, suggestion(n.Value, themeNames))
	}
	return ThemeName(n.Value), nil
}

func keysOf(n *yaml.Node) (map[string][]string, error) {
	if n.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%d: keys is not a mapping of actions to keys\nWrite keys: {restart: [r]}.", n.Line)
	}
	keys := map[string][]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		var list []string
		if value.Kind == yaml.ScalarNode {
			list = []string{value.Value}
		} else if err := value.Decode(&list); err != nil {
			return nil, fmt.Errorf("%d: the keys of %q are not a list\nWrite %s: [r, ctrl+r].", value.Line, name.Value, name.Value)
		}
		keys[name.Value] = list
		if _, err := newKeymap(pageKeys(), keys); err != nil {
			return nil, fmt.Errorf("%d: %w", name.Line, err)
		}
	}
	return keys, nil
}

// suggestion is the way out for a wrong name: the nearest right one, or all of them.
func suggestion(name string, right []string) string {
	best, least := "", 3
	for _, r := range right {
		if d := distance(name, r); d < least {
			best, least = r, d
		}
	}
	if best != "" {
		return fmt.Sprintf("Did you mean %q?", best)
	}
	return "There is " + strings.Join(right, ", ") + "."
}

// distance is the number of characters to add, drop or change that makes a of b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
