package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/fstest"
	"time"

	"msdev/testenv"
)

func TestKeyOf(t *testing.T) {
	seen := map[string][]string{}
	for _, parts := range [][]string{{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"b", "a"}, {"1:a"}, {"ab", ""}} {
		key := keyOf(parts...)
		if before, twice := seen[key]; twice {
			t.Errorf("%q and %q have one key", before, parts)
		}
		seen[key] = parts
		if key != keyOf(parts...) {
			t.Errorf("%q has two keys", parts)
		}
	}
}

func TestKeyOfTree(t *testing.T) {
	file := func(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content), Mode: 0o644} }
	base := fstest.MapFS{"Dockerfile": file("FROM scratch"), "bin/run": file("#!/bin/sh")}
	tests := []struct {
		name string
		tree fstest.MapFS
		same bool
	}{
		{"equal", fstest.MapFS{"bin/run": file("#!/bin/sh"), "Dockerfile": file("FROM scratch")}, true},
		{"another time", fstest.MapFS{"Dockerfile": {Data: []byte("FROM scratch"), Mode: 0o644, ModTime: time.Unix(9, 0)}, "bin/run": file("#!/bin/sh")}, true},
		{"another content", fstest.MapFS{"Dockerfile": file("FROM scratch\n"), "bin/run": file("#!/bin/sh")}, false},
		{"another name", fstest.MapFS{"Dockerfile": file("FROM scratch"), "bin/ran": file("#!/bin/sh")}, false},
		{"a file more", fstest.MapFS{"Dockerfile": file("FROM scratch"), "bin/run": file("#!/bin/sh"), "x": file("")}, false},
		{"executable", fstest.MapFS{"Dockerfile": file("FROM scratch"), "bin/run": {Data: []byte("#!/bin/sh"), Mode: 0o755}}, false},
	}
	want, err := keyOfTree(base)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := keyOfTree(test.tree)
			if err != nil {
				t.Fatal(err)
			}
			if (got == want) != test.same {
				t.Errorf("same key: %v, want %v", got == want, test.same)
			}
		})
	}
}

func TestWriteContext(t *testing.T) {
	var archive bytes.Buffer
	err := writeContext(&archive, []mount{
		{tree: fstest.MapFS{"Dockerfile": {Data: []byte("FROM scratch")}, "bin/run": {Data: []byte("#!"), Mode: 0o755}}},
		{prefix: "go", tree: fstest.MapFS{"VERSION": {Data: []byte("1")}, "test/a": {}, "src/test/b": {}}, except: []string{"test"}},
		{tree: fstest.MapFS{"certs": {Data: []byte("x")}, "key": {Data: []byte("secret")}}, only: "certs"},
	})
	if err != nil {
		t.Fatal(err)
	}
	type entry struct {
		name, content string
		mode          int64
	}
	var got []entry
	for in := tar.NewReader(&archive); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, entry{header.Name, string(content), header.Mode})
	}
	want := []entry{
		{"Dockerfile", "FROM scratch", 0o644}, {"bin/run", "#!", 0o755},
		{"go/VERSION", "1", 0o644}, {"go/src/test/b", "", 0o644}, {"certs", "x", 0o644},
	}
	if !slices.Equal(got, want) {
		t.Errorf("context %v, want %v", got, want)
	}
}

func TestStale(t *testing.T) {
	states := map[string]imageState{
		"current": {"1", "key"}, "old": {"2", "before"}, "real": {"3", ""},
	}
	got := stale([]string{"current", "old", "real", "absent"}, states, "key")
	if want := []string{"old", "absent"}; !slices.Equal(got, want) {
		t.Errorf("stale %v, want %v", got, want)
	}
}

func TestOwnerless(t *testing.T) {
	project := testenv.ProjectName(t)
	lines := "a " + project + " \nb mt-x-1-abc \nc  1\nd  2\ne shop \nf  \ng mt-x-2-abc 1\n"
	got := ownerless(lines, func(pid int) bool { return pid == 2 })
	// Of a project's container the label decides; this test's own process is not 2 either.
	if want := []string{"a", "b", "c", "g"}; !slices.Equal(got, want) {
		t.Errorf("ownerless %v, want %v", got, want)
	}
}
