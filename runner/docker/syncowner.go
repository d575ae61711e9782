package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"

	"github.com/moby/moby/client"
	"github.com/moby/sys/user"

	"msdev/runner"
)

// nobody is what engines say that do not find the user of a container: they look for it among their own users, or with a program
// that the image may not have.
var nobody = regexp.MustCompile(`getent|unable to find user|no matching entries in passwd|unknown user`)

// owner is who gets the files that are copied into a container.
type owner struct{ uid, gid int }

// ownerIn is the user that a container runs as, by its own files.
func (r *Runtime) ownerIn(ctx context.Context, id string) (*owner, error) {
	res, err := r.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return nil, err
	}
	if res.Container.Config == nil {
		return &owner{}, nil
	}
	name := res.Container.Config.User
	u, err := user.GetExecUser(name, nil, r.fileIn(ctx, id, "/etc/passwd"), r.fileIn(ctx, id, "/etc/group"))
	if err != nil {
		return nil, &runner.Error{Kind: runner.ErrFailed, Err: err, Msg: fmt.Sprintf("the user %q that its container runs as is not in its /etc/passwd.", name),
			Hint: "Give `user` as numbers, as \"1000:1000\"."}
	}
	return &owner{u.Uid, u.Gid}, nil
}

// mostUsers is how much is read of a file of users.
const mostUsers = 1 << 20

// fileIn reads a small file of a container; it is empty where there is none.
func (r *Runtime) fileIn(ctx context.Context, id, path string) io.Reader {
	res, err := r.api.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: path})
	if err != nil {
		return bytes.NewReader(nil)
	}
	defer res.Content.Close()
	archive := tar.NewReader(res.Content)
	if _, err := archive.Next(); err != nil {
		return bytes.NewReader(nil)
	}
	content, err := io.ReadAll(io.LimitReader(archive, mostUsers))
	if err != nil {
		return bytes.NewReader(nil)
	}
	return bytes.NewReader(content)
}

// owned are the same items, of another owner.
func owned(items []item, by *owner) []item {
	changed := make([]item, 0, len(items))
	for _, it := range items {
		h := *it.header
		h.Uid, h.Gid = by.uid, by.gid
		it.header = &h
		changed = append(changed, it)
	}
	return changed
}
