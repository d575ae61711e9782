package docker

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"time"

	"msdev/runner"
)

// item is one path of an archive.
type item struct {
	source string
	target string
	header *tar.Header // nil for what an archive cannot hold: a socket
}

func (it item) folder() bool { return it.header.Typeflag == tar.TypeDir }

// newItem looks at what a file is now; not there where it is none.
func newItem(f runner.SyncFile) (item, bool, error) {
	it := item{source: f.Source, target: f.Target}
	info, err := os.Lstat(f.Source)
	link := ""
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		link, err = os.Readlink(f.Source)
	}
	if gone(err) {
		return it, false, nil
	}
	if err != nil {
		return it, true, unreadable(f.Source, err)
	}
	if info.Mode().IsRegular() || info.IsDir() || info.Mode()&fs.ModeSymlink != 0 {
		it.header = headerOf(info, link, strings.TrimPrefix(f.Target, "/"))
	}
	return it, true, nil
}

// headerOf is the header that Compose writes: whole seconds, no names of owners, and where the file system has no permissions,
// those that make a program run.
func headerOf(info fs.FileInfo, link, name string) *tar.Header {
	h, err := tar.FileInfoHeader(nameless{info}, link)
	if err != nil { // a kind of file that an archive cannot hold
		return nil
	}
	h.Format = tar.FormatPAX
	h.ModTime = h.ModTime.Truncate(time.Second)
	h.AccessTime, h.ChangeTime = time.Time{}, time.Time{}
	h.Name = name
	if info.IsDir() {
		h.Name += "/"
	}
	if runtime.GOOS == "windows" {
		h.Mode = h.Mode&0o755 | 0o111
	}
	return h
}

// nameless keeps the names of users and groups from being looked up.
type nameless struct{ fs.FileInfo }

// Uname is no name.
func (nameless) Uname() (string, error) { return "", nil }

// Gname is no name.
func (nameless) Gname() (string, error) { return "", nil }

// wholeFile is the size up to which a file is read before its header is written, so that both agree whoever writes to it.
const wholeFile = 4 << 20

// writeArchive writes an archive of files. What is gone since it was looked at is left out.
func writeArchive(to io.Writer, items []item) error {
	w := tar.NewWriter(to)
	for _, it := range items {
		if err := it.write(w); err != nil {
			return err
		}
	}
	return w.Close()
}

func (it item) write(w *tar.Writer) error {
	if it.header.Typeflag != tar.TypeReg {
		h := *it.header
		return w.WriteHeader(&h)
	}
	f, err := os.Open(it.source)
	if gone(err) {
		return nil
	}
	if err != nil {
		return unreadable(it.source, err)
	}
	defer f.Close()
	h := *it.header // several containers may get it at once
	var whole []byte
	if h.Size <= wholeFile {
		if whole, err = io.ReadAll(io.LimitReader(f, 2*wholeFile)); err != nil {
			return unreadable(it.source, err)
		}
		h.Size = int64(len(whole))
	}
	if err := w.WriteHeader(&h); err != nil {
		return err
	}
	n, err := io.Copy(w, io.MultiReader(bytes.NewReader(whole), io.LimitReader(f, h.Size-int64(len(whole)))))
	if err == nil && n < h.Size {
		err = unreadable(it.source, errors.New("it became shorter while it was read"))
	}
	return err
}

func gone(err error) bool { return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) }

func unreadable(path string, err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		err = at.Err
	}
	return &runner.Error{Kind: runner.ErrFailed, Err: err, Msg: fmt.Sprintf("%s cannot be synced: %v", path, err),
		Hint: "Save it again to try again."}
}
