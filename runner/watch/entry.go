package watch

import (
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/cespare/xxhash/v2"
)

// Entry is what is known of one path.
type Entry struct {
	Kind  Kind        `json:"kind"`
	Mode  fs.FileMode `json:"mode,omitempty"` // permissions; of files and folders
	Size  int64       `json:"size,omitempty"` // of files
	Time  int64       `json:"time,omitempty"` // of files: when it was last written, in nanoseconds since 1970
	Hash  uint64      `json:"hash,omitempty"` // of files: xxHash64 of the content; 0 where it was not read (yet)
	Link  string      `json:"link,omitempty"` // of links: what they point to
	inode uint64      // of files
	young bool        // written so shortly before it was read that a later write may bear the same time
}

// Kind is what a path is. Sockets, pipes and devices are no entries.
type Kind string

// The kinds of entries. A symbolic link is itself, not what it points to; only the Root of a tree is followed.
const (
	File   Kind = "file"
	Folder Kind = "folder"
	Link   Kind = "link"
)

// maxHash is the size up to which files are told apart by their content; larger ones by size and time.
const maxHash = 64 << 20

// coarse is how far apart two writes must be to bear different times: file systems keep them to 2 s (FAT) at worst.
const coarse = 2 * time.Second

// same tells whether two entries are the same to whoever builds or copies them. A file that was only touched is the same.
func (e Entry) same(o Entry) bool {
	if e.Kind != o.Kind || e.Mode != o.Mode || e.Size != o.Size || e.Link != o.Link {
		return false
	}
	if e.Kind != File || e.Hash != 0 && o.Hash != 0 {
		return e.Hash == o.Hash
	}
	return e.Time == o.Time && (e.inode == o.inode || e.inode == 0 || o.inode == 0)
}

// entryOf makes an entry of what the system says of a path; a zero Kind is what is no entry.
func entryOf(path string, info fs.FileInfo) Entry {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return Entry{Kind: File, Mode: mode.Perm(), Size: info.Size(), Time: info.ModTime().UnixNano(), inode: inode(info),
			young: time.Since(info.ModTime()) < coarse}
	case mode.IsDir():
		return Entry{Kind: Folder, Mode: mode.Perm()}
	case mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return Entry{}
		}
		return Entry{Kind: Link, Link: target}
	}
	return Entry{}
}

// hash reads a file's content; 0 where it cannot be read or is too large. A content whose sum is 0 counts as not read: its
// writes are told by their times.
func hash(path string, size int64) uint64 {
	if size > maxHash {
		return 0
	}
	f, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer f.Close()
	sum := xxhash.New()
	if _, err := io.Copy(sum, io.LimitReader(f, maxHash)); err != nil {
		return 0
	}
	return sum.Sum64()
}

// Snapshot is what was in a tree at one moment, by path. It can be kept as JSON.
type Snapshot map[string]Entry

// Diff tells how one snapshot became another.
func Diff(before, after Snapshot) []Change {
	var changes []Change
	for path, now := range after {
		switch then, was := before[path]; {
		case !was:
			changes = append(changes, Change{Path: path, Op: Created, Dir: now.Kind == Folder})
		case !now.same(then):
			changes = append(changes, Change{Path: path, Op: Modified, Dir: now.Kind == Folder})
		}
	}
	for path, then := range before {
		if _, is := after[path]; !is {
			changes = append(changes, Change{Path: path, Op: Deleted, Dir: then.Kind == Folder})
		}
	}
	sortChanges(changes)
	return changes
}
