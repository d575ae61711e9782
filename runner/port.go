package runner

import (
	"fmt"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"
)

// portProblem tells what is wrong with one entry of `ports`, or "".
func portProblem(n *yaml.Node) string {
	if n = deref(n); n.Kind != yaml.ScalarNode || strings.Contains(n.Value, "$") {
		return ""
	}
	if _, err := types.ParsePortConfig(n.Value); err != nil {
		text := err.Error()
		for _, long := range []string{"invalid containerPort: ", "invalid hostPort: "} {
			if rest, ok := strings.CutPrefix(text, long); ok {
				return fmt.Sprintf("%q has a port that is none: %s", n.Value, rest)
			}
		}
		return fmt.Sprintf("%q is no port: %s", n.Value, text)
	}
	return ""
}
