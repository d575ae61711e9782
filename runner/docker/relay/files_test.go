package relay

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// The files of this very program are enough to run it where there is nothing else.
func TestFiles(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the relay is a program of Linux")
	}
	files, err := FilesOf("/proc/self/exe", "msdev")
	if err != nil {
		t.Fatal(err)
	}
	if !files.Runs(runtime.GOARCH) || files.Runs("sparc") {
		t.Error("it does not know its own architecture")
	}
	var archive bytes.Buffer
	if err := files.Write(&archive); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	names := map[string]bool{}
	for from := tar.NewReader(&archive); ; {
		h, err := from.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if names[h.Name] {
			t.Errorf("%s is there twice", h.Name)
		}
		names[h.Name] = true
		path := filepath.Join(root, h.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(from)
		if err == nil {
			err = os.WriteFile(path, raw, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("only root may change its root folder")
	}
	out, err := exec.Command("chroot", root, "/msdev", "-test.list", "TestFiles").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "TestFiles") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestDigest(t *testing.T) {
	digest := func(program string) string {
		t.Helper()
		files, err := FilesOf(program, "msdev")
		if err != nil {
			t.Fatal(err)
		}
		d, err := files.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if runtime.GOOS != "linux" {
		t.Skip("the relay is a program of Linux")
	}
	one := digest("/proc/self/exe")
	if two := digest("/proc/self/exe"); one != two {
		t.Errorf("one program has two digests, %s and %s", one, two)
	}
	other, err := exec.LookPath("ls")
	if err != nil {
		t.Fatal(err)
	}
	if digest(other) == one {
		t.Error("two programs have one digest")
	}
}

func TestNoProgram(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := FilesOf(text, "msdev"); err == nil || !strings.Contains(err.Error(), "no program") {
		t.Errorf("a script: %v", err)
	}
}
