package runner

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"time"
)

// outputs tells the files that a service's builds write from those that somebody saves, so that a build which writes into what is
// watched does not cause the next one. A file that changes while a build is under way calls the build off the first time. When it
// changes in the next one too, it is looked at when that one has ended: with the same content as after the build before it is
// the build's own; with another one it causes one more build, at most inARow times in a row. Nobody's save is lost for it: a file
// that changes while nothing is built is anybody's again.
type outputs struct {
	files map[string]*output
	build int       // counts builds
	ended time.Time // when the last one did
}

// output is a file that changed during a build.
type output struct {
	sum     string // what was in it when the last build had ended
	build   int    // the last build that changed it
	inARow  int    // in how many builds in a row it came out differently
	pending bool   // it is to be looked at when the build ends
}

// inARow is the number of builds after which a file that never comes out the same is taken for the build's own: a stamp, a log.
const inARow = 3

func newOutputs() *outputs { return &outputs{files: map[string]*output{}} }

// sort takes those files out of a change that need not call for a build, at once or at all. building says that one is under way.
func (o *outputs) sort(c *Change, building bool) {
	during := building || !c.At.After(o.ended)
	var left []string
	for _, path := range c.Files {
		known := o.files[path]
		switch {
		case !during:
			delete(o.files, path)
			left = append(left, path)
		case known == nil:
			o.files[path] = &output{build: o.build, sum: sumOf(path)}
			left = append(left, path)
		case building:
			known.pending = true
		case sumOf(path) != known.sum && known.inARow < inARow: // it was told when the build had ended
			known.sum = sumOf(path)
			left = append(left, path)
		}
	}
	c.Files = left
}

// end notes that a build has ended, and returns the files that changed in the meantime and call for another one, and those that
// have just been found to do so each time.
func (o *outputs) end(at time.Time) (again, noisy []string) {
	o.build++
	o.ended = at
	for path, known := range o.files {
		if !known.pending {
			if known.build < o.build-1 {
				delete(o.files, path) // the build left it alone
			}
			continue
		}
		sum := sumOf(path)
		same := sum == known.sum
		known.sum, known.build, known.pending = sum, o.build, false
		switch {
		case same:
			known.inARow = 0
		case known.inARow < inARow:
			if known.inARow++; known.inARow == inARow {
				noisy = append(noisy, path)
				continue
			}
			again = append(again, path)
		}
	}
	return again, noisy
}

// sumOf names the content of a file; "" where there is none.
func sumOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
