package docker

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"msdev/runner"
)

// The labels by which Docker Compose knows its objects again (v5.6, pkg/api/labels.go). They are the whole contract
// between the two programs: an object that carries them belongs to the project for both.
const (
	labelPrefix       = "com.docker.compose."
	labelProject      = labelPrefix + "project"
	labelService      = labelPrefix + "service"
	labelVersion      = labelPrefix + "version"
	labelWorkingDir   = labelPrefix + "project.working_dir"
	labelConfigFiles  = labelPrefix + "project.config_files"
	labelEnvFile      = labelPrefix + "project.environment_file"
	labelOneOff       = labelPrefix + "oneoff"
	labelHash         = labelPrefix + "config-hash"
	labelNumber       = labelPrefix + "container-number"
	labelDependsOn    = labelPrefix + "depends_on"
	labelImage        = labelPrefix + "image"
	labelImageVolumes = labelPrefix + "image-volume-digest"
	labelReplace      = labelPrefix + "replace"
	labelNetwork      = labelPrefix + "network"
	labelVolume       = labelPrefix + "volume"
)

// composeVersion is the version of Docker Compose that objects are made like.
const composeVersion = "5.6.0"

// containerName is the name of instance number of a service.
func containerName(project string, s types.ServiceConfig, number int) string {
	if s.ContainerName != "" {
		return s.ContainerName
	}
	return fmt.Sprintf("%s-%s-%d", project, s.Name, number)
}

// imageName is the image of a service: what the file says, or the name that Compose gives to what it builds.
func imageName(project string, s types.ServiceConfig) string {
	if s.Image != "" {
		return s.Image
	}
	return project + "-" + s.Name
}

// containerLabels are the labels of instance number of a service that was made from image imageID.
func containerLabels(p *runner.Project, s types.ServiceConfig, number int, imageID string) (map[string]string, error) {
	hash, err := runner.ServiceHash(s)
	if err != nil {
		return nil, err
	}
	labels := map[string]string{}
	maps.Copy(labels, s.Labels)
	maps.Copy(labels, s.CustomLabels)
	maps.Copy(labels, map[string]string{
		labelProject:     p.Name,
		labelService:     s.Name,
		labelVersion:     composeVersion,
		labelWorkingDir:  p.Dir,
		labelConfigFiles: strings.Join(p.Files, ","),
		labelOneOff:      "False",
		labelHash:        hash,
		labelNumber:      strconv.Itoa(number),
		labelDependsOn:   dependsOnLabel(s),
	})
	if len(p.EnvFiles) > 0 {
		labels[labelEnvFile] = strings.Join(p.EnvFiles, ",")
	}
	if imageID != "" {
		labels[labelImage] = imageID
	}
	return labels, nil
}

// dependsOnLabel lists the dependencies as Compose does, in a fixed order: "db:service_healthy:false,queue:service_started:true".
func dependsOnLabel(s types.ServiceConfig) string {
	var deps []string
	for _, name := range slices.Sorted(maps.Keys(s.DependsOn)) {
		d := s.DependsOn[name]
		deps = append(deps, fmt.Sprintf("%s:%s:%t", name, d.Condition, d.Restart))
	}
	return strings.Join(deps, ",")
}

// resourceLabels are the labels of a network or volume; kind is the label that carries its key.
func resourceLabels(project, kind, key, hash string, own ...types.Labels) map[string]string {
	labels := map[string]string{}
	for _, l := range own {
		maps.Copy(labels, l)
	}
	maps.Copy(labels, map[string]string{kind: key, labelProject: project, labelVersion: composeVersion, labelHash: hash})
	return labels
}
