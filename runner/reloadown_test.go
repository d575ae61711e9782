package runner

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestBuildsThatWriteDoNotLoop lets builds write into what is watched, the same each time, or never the same.
func TestBuildsThatWriteDoNotLoop(t *testing.T) {
	for _, c := range []struct {
		name    string
		content func(build int) string
		most    int // builds that one save may cause
	}{
		{"the same each time", func(int) string { return "made" }, 2},
		{"never the same", func(n int) string { return fmt.Sprint(n) }, 2 + inARow},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "made")
			o, builds, calls, told := newOutputs(), 0, 1, 0
			for calls > 0 {
				if builds++; builds > 20 {
					t.Fatal("it loops")
				}
				calls--
				saveFile(t, file, c.content(builds))
				during := Change{At: time.Now(), Files: []string{file}}
				if o.sort(&during, true); len(during.Files) > 0 { // calls this build off
					calls = 1
					continue
				}
				again, noisy := o.end(time.Now())
				if told += len(noisy); len(again) > 0 {
					calls = 1
				}
			}
			if builds > c.most {
				t.Errorf("one save caused %d builds", builds)
			}
			if want := map[bool]int{true: 1}[c.most > 2]; told != want {
				t.Errorf("%d files were told as noisy, want %d", told, want)
			}
			// What somebody saves later, in the same file, counts.
			saveFile(t, file, "saved")
			saved := Change{At: time.Now().Add(time.Second), Files: []string{file}}
			if o.sort(&saved, false); !slices.Equal(saved.Files, []string{file}) {
				t.Error("a save between builds is lost")
			}
		})
	}
}

// TestASaveDuringABuildIsNotLost saves twice while builds are under way.
func TestASaveDuringABuildIsNotLost(t *testing.T) {
	file := filepath.Join(t.TempDir(), "main.go")
	o := newOutputs()
	save := func(text string) Change {
		saveFile(t, file, text)
		c := Change{At: time.Now(), Files: []string{file}}
		o.sort(&c, true)
		return c
	}
	if c := save("one"); len(c.Files) != 1 {
		t.Error("the first save during a build does not call it off")
	}
	o.end(time.Now())
	if c := save("two"); len(c.Files) != 0 {
		t.Error("the second save is not looked at after the build")
	}
	if again, _ := o.end(time.Now()); !slices.Equal(again, []string{file}) {
		t.Errorf("after the build %v calls for another one", again)
	}
}

func saveFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
