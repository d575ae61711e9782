package cmd

import (
	"encoding/json"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what `version` tells.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// version tells what this program was built from.
func version() build {
	b := build{Version: "dev", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		b.Version = v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.Commit = s.Value
		}
	}
	return b
}

func newVersion(a *app) *cobra.Command {
	var format string
	var short bool
	c := &cobra.Command{
		Use:   "version",
		Short: "Print msdev's version",
		Example: `  msdev version
  msdev version --format json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := version()
			switch {
			case short:
				printf(a.out, "%s\n", b.Version)
			case format == "json":
				out, err := json.Marshal(b)
				printf(a.out, "%s\n", out)
				return err
			case format == "pretty":
				printf(a.out, "msdev %s (%s, %s/%s)\n", b.Version, b.Go, b.OS, b.Arch)
			default:
				return usageError("--format is pretty or json", "")
			}
			return nil
		},
	}
	c.Flags().StringVar(&format, "format", "pretty", "`pretty` or json")
	c.Flags().BoolVar(&short, "short", false, "only the version")
	return c
}
