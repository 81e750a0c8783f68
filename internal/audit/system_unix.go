//go:build unix

package audit

import (
	"errors"
	"io/fs"
	"syscall"
)

// Flags of open(2).
const (
	noWait   = syscall.O_NONBLOCK
	noFollow = syscall.O_NOFOLLOW
)

// diskSize is the size of a folder's file system in bytes; 0: not known.
func diskSize(dir string) int64 {
	var st syscall.Statfs_t
	if syscall.Statfs(dir, &st) != nil {
		return 0
	}
	return int64(st.Blocks) * int64(st.Bsize)
}

// links is how many names a file has; 0: it was removed.
func links(info fs.FileInfo) uint64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Nlink)
	}
	return 1
}

// onDisk is how many bytes of the disk a file takes.
func onDisk(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int64(st.Blocks) * 512
	}
	return info.Size()
}

// ownerOf is the user to whom a file belongs.
func ownerOf(info fs.FileInfo) (uid int, known bool) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid), true
	}
	return 0, false
}

// modeOf returns the permission bits of a file.
func modeOf(info fs.FileInfo) fs.FileMode { return info.Mode().Perm() }

// isLink says whether a file was not opened because it is a symbolic link.
func isLink(err error) bool { return errors.Is(err, syscall.ELOOP) }

// full says whether an error means that there is no room on the disk.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
