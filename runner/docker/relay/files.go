package relay

import (
	"archive/tar"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// Files are what a program needs to run where nothing else is: itself, and for one that is linked dynamically its loader and its
// shared libraries, by their paths there.
type Files struct {
	list    []file
	machine elf.Machine
}

type file struct{ name, source string }

// libraries are where the loaders of Linux look for shared libraries.
var libraries = []string{"/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"}

// FilesOf collects what the program at a path needs. It is /PROGRAM there.
func FilesOf(program, name string) (*Files, error) {
	f := &Files{list: []file{{path.Join("/", name), program}}}
	return f, f.add(program, nil)
}

// add takes in what one ELF file needs, in the folders that are looked in for it.
func (f *Files) add(source string, dirs []string) error {
	e, err := elf.Open(source)
	if err != nil {
		return fmt.Errorf("%s is no program of Linux: %w", source, err)
	}
	defer e.Close()
	f.machine = e.Machine
	for _, p := range e.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		raw, err := io.ReadAll(p.Open())
		if err != nil {
			return err
		}
		loader := string(raw[:max(0, len(raw)-1)])                                             // it ends with a zero byte
		if !slices.ContainsFunc(f.list, func(have file) bool { return have.name == loader }) { // glibc's own library names it too
			f.list = append(f.list, file{loader, loader})
		}
		dirs = append(dirs, filepath.Dir(loader))
		if real, err := filepath.EvalSymlinks(loader); err == nil { // /lib64/ld-linux-x86-64.so.2 is in /lib/x86_64-linux-gnu
			dirs = append(dirs, filepath.Dir(real), path.Join("/usr", filepath.Dir(real)))
		}
	}
	needed, err := e.ImportedLibraries()
	if err != nil {
		return err
	}
	for _, library := range needed {
		if err := f.library(library, dirs); err != nil {
			return err
		}
	}
	return nil
}

// library takes in a shared library, and what that one needs. It lies where every loader looks.
func (f *Files) library(name string, dirs []string) error {
	target := path.Join("/lib", name)
	if slices.ContainsFunc(f.list, func(have file) bool { return have.name == target || path.Base(have.name) == name }) {
		return nil
	}
	for _, dir := range slices.Concat(dirs, libraries) {
		source := filepath.Join(dir, name)
		if info, err := os.Stat(source); err == nil && info.Mode().IsRegular() {
			f.list = append(f.list, file{target, source})
			return f.add(source, dirs)
		}
	}
	return fmt.Errorf("the shared library %s was not found", name)
}

// Runs tells whether the program can run on a machine of this architecture, in Docker's words.
func (f *Files) Runs(architecture string) bool {
	of := map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_ARM: "arm", elf.EM_386: "386", elf.EM_RISCV: "riscv64", elf.EM_PPC64: "ppc64le", elf.EM_S390: "s390x"}
	return of[f.machine] == architecture
}

// Digest tells these files from any others: by the build ID of the program, which stands for its content, and by the sizes and
// times of its libraries.
func (f *Files) Digest() (string, error) {
	h := sha256.New()
	for i, file := range f.list {
		if i == 0 {
			if id := buildID(file.source); id != nil {
				h.Write(id)
				continue
			}
		}
		in, err := os.Open(file.source)
		if err != nil {
			return "", err
		}
		info, err := in.Stat()
		if err == nil && i == 0 {
			_, err = io.Copy(h, in)
		}
		_ = in.Close()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d %d\n", file.name, info.Size(), info.ModTime().UnixNano())
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

// buildID is the note that Go's linker leaves in a program; nil where there is none.
func buildID(program string) []byte {
	e, err := elf.Open(program)
	if err != nil {
		return nil
	}
	defer e.Close()
	section := e.Section(".note.go.buildid")
	if section == nil {
		return nil
	}
	raw, err := section.Data()
	if err != nil {
		return nil
	}
	return raw
}

// Write writes the files as a tar archive.
func (f *Files) Write(w io.Writer) error {
	archive := tar.NewWriter(w)
	for _, file := range f.list {
		if err := writeFile(archive, file); err != nil {
			return err
		}
	}
	return archive.Close()
}

func writeFile(archive *tar.Writer, f file) (err error) {
	in, err := os.Open(f.source)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: f.name[1:], Mode: 0o755, Size: info.Size(), Format: tar.FormatUSTAR}); err != nil {
		return err
	}
	_, err = io.Copy(archive, in)
	return err
}
