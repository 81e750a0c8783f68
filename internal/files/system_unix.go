//go:build unix

package files

import (
	"errors"
	"io/fs"
	"os"
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

// Lock locks an open file for this process. free is false if another
// process holds the lock.
func Lock(f *os.File) (free bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}
