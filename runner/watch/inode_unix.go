//go:build unix

package watch

import (
	"io/fs"
	"syscall"
)

// inode tells files apart that bear the same name at different times; 0 where that is not known.
func inode(info fs.FileInfo) uint64 {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}
