package app

import (
	"io/fs"
	"syscall"
	"time"
)

// changeTime returns when a file or its attributes last changed, which no
// program can set back, and its inode.
func changeTime(info fs.FileInfo) (time.Time, uint64) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(int64(s.Ctimespec.Sec), int64(s.Ctimespec.Nsec)), s.Ino
	}
	return time.Time{}, 0
}
