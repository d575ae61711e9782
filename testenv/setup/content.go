package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"time"
)

// keyOf gives a short name to the parts' content. Where one part ends and the next begins counts.
func keyOf(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// keyOfTree gives a short name to a folder's content: the paths, whether each may be executed, and the bytes.
func keyOfTree(tree fs.FS) (string, error) {
	var parts []string
	err := fs.WalkDir(tree, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		parts = append(parts, name, fmt.Sprint(info.Mode().Perm()&0o100 != 0), string(content))
		return nil
	})
	if err != nil {
		return "", err
	}
	return keyOf(parts...), nil
}

// A mount puts a tree into a build context, under prefix: the one file named in only, or else all of it without the
// folders named in except.
type mount struct {
	prefix string
	tree   fs.FS
	only   string
	except []string
}

// writeContext writes the mounts as one tar, owned by root and without times, so that equal content is an equal archive.
func writeContext(to io.Writer, mounts []mount) error {
	out := tar.NewWriter(to)
	for _, m := range mounts {
		root := "."
		if m.only != "" {
			root = m.only
		}
		err := fs.WalkDir(m.tree, root, func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && slices.Contains(m.except, name):
				return fs.SkipDir
			case entry.IsDir() || !entry.Type().IsRegular():
				return nil
			}
			return addFile(out, m.tree, name, path.Join(m.prefix, name))
		})
		if err != nil {
			return err
		}
	}
	return out.Close()
}

func addFile(out *tar.Writer, tree fs.FS, name, as string) error {
	file, err := tree.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	mode := int64(0o644)
	if info.Mode().Perm()&0o100 != 0 {
		mode = 0o755
	}
	header := &tar.Header{Name: as, Size: info.Size(), Mode: mode, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(out, file)
	return err
}
