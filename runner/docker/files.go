package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/moby/client"

	"msdev/runner"
)

// fileUse is one secret or config in one service.
type fileUse struct {
	kind   string // "secret", "config"
	ref    types.FileReferenceConfig
	object types.FileObjectConfig
	target string
}

// inline tells whether the content stands in the file or in the environment.
func (f fileUse) inline() bool { return f.object.Content != "" || f.object.Environment != "" }

func (r *Runtime) filesOf(s types.ServiceConfig) []fileUse {
	var files []fileUse
	for _, ref := range s.Secrets {
		ref := types.FileReferenceConfig(ref)
		files = append(files, fileUse{"secret", ref, types.FileObjectConfig(r.project().Compose.Secrets[ref.Source]), fileTarget(secretsDir, ref)})
	}
	for _, ref := range s.Configs {
		ref := types.FileReferenceConfig(ref)
		files = append(files, fileUse{"config", ref, types.FileObjectConfig(r.project().Compose.Configs[ref.Source]), fileTarget(configsDir, ref)})
	}
	return files
}

// copyFiles copies the secrets and configs that are no files of the host into a container that is about to start.
func (r *Runtime) copyFiles(ctx context.Context, s types.ServiceConfig, id string) error {
	for _, f := range r.filesOf(s) {
		if !f.inline() {
			continue
		}
		content := f.object.Content
		if content == "" {
			value, ok := r.project().Compose.Environment[f.object.Environment]
			if !ok {
				return &runner.Error{Kind: runner.ErrUsage, Service: s.Name,
					Msg:  fmt.Sprintf("service %q: the environment variable %s, which the %s %q is made of, is not set.", s.Name, f.object.Environment, f.kind, f.ref.Source),
					Hint: "Set it in the shell or in the .env file."}
			}
			content = value
		}
		if content == "" {
			continue
		}
		if s.ReadOnly {
			return &runner.Error{Kind: runner.ErrUsage, Service: s.Name,
				Msg:  fmt.Sprintf("service %q is read-only, so the %s %q cannot be copied into it.", s.Name, f.kind, f.ref.Source),
				Hint: "Give the " + f.kind + " a `file:`, which is mounted."}
		}
		archive, err := fileArchive(f, content)
		if err != nil {
			return wrong(s, err)
		}
		_, err = r.api.CopyToContainer(ctx, id, client.CopyToContainerOptions{
			DestinationPath: "/", Content: bytes.NewReader(archive), CopyUIDGID: f.ref.UID != "" || f.ref.GID != "",
		})
		if err != nil {
			return r.explain(err, subject{service: s.Name, what: f.kind, name: f.ref.Source})
		}
	}
	return nil
}

// fileArchive is one file as the archive that the engine unpacks at the root.
func fileArchive(f fileUse, content string) ([]byte, error) {
	h := &tar.Header{Name: strings.TrimPrefix(f.target, "/"), Size: int64(len(content)), Mode: 0o444, ModTime: time.Now()}
	if f.ref.Mode != nil {
		h.Mode = int64(*f.ref.Mode)
	}
	var err error
	for _, id := range []struct {
		text string
		to   *int
	}{{f.ref.UID, &h.Uid}, {f.ref.GID, &h.Gid}} {
		if id.text == "" {
			continue
		}
		if *id.to, err = strconv.Atoi(id.text); err != nil {
			return nil, fmt.Errorf("the uid and gid of the %s %q must be numbers", f.kind, f.ref.Source)
		}
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(h); err != nil {
		return nil, err
	}
	if _, err := w.Write([]byte(content)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
