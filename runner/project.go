// Package runner launches the service graph of a compose file and holds it to what was asked. project.go reads the
// files, plan.go decides, supervisor.go carries out; what runs a service is a Runtime.
package runner

import (
	"github.com/compose-spec/compose-go/v2/types"
)

// Project is one set of compose files, read and checked: what `up` launches.
type Project struct {
	Name     string
	Dir      string            // working directory, absolute
	Files    []string          // compose files, absolute, in the order in which they were merged
	EnvFiles []string          // files named by --env-file, absolute; for the label that Compose writes
	Compose  *types.Project    // the model, with profiles applied: disabled services are in DisabledServices
	Order    []string          // the names of the enabled services, dependencies first, ties in the file's order
	Warnings []string          // attributes that are not applied, each naming its service and file:line
	Hashes   map[string]string // Compose's config hash by service
}

// LoadOptions say which files make the project, as the flags of `up` and the COMPOSE_* variables do.
type LoadOptions struct {
	Files    []string `json:"files,omitempty"`    // -f; "-" is not allowed in a session
	Name     string   `json:"name,omitempty"`     // -p
	Dir      string   `json:"dir,omitempty"`      // --project-directory
	WorkDir  string   `json:"workDir,omitempty"`  // where the user stands; files are looked for from here upwards
	Profiles []string `json:"profiles,omitempty"` // --profile
	EnvFiles []string `json:"envFiles,omitempty"` // --env-file
	Environ  []string `json:"environ,omitempty"`  // the user's environment; nil is the process's own
}
