//go:build unix

package files

import (
	"io/fs"
	"syscall"
)

// Flags of open(2).
const (
	noWait   = syscall.O_NONBLOCK
	noFollow = syscall.O_NOFOLLOW
)

// Mode returns the permission bits of a file. On Windows it is 0: there access
// lists decide who may read a file, and the gateway does not check them.
func Mode(info fs.FileInfo) fs.FileMode { return info.Mode().Perm() }
