package files

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/windows"
)

// Windows has no such flags. Its pipes are not in the file system, and a file
// that is made with O_EXCL follows no link.
const (
	noWait   = 0
	noFollow = 0
)

// Mode returns the permission bits of a file. On Windows it is 0: there access
// lists decide who may read a file, and the gateway does not check them.
func Mode(fs.FileInfo) fs.FileMode { return 0 }

// Lock locks an open file for this process. free is false if another
// process holds the lock. The lock is on a byte far behind the content: on
// Windows nobody else can read what is locked.
func Lock(f *os.File) (free bool, err error) {
	far := &windows.Overlapped{OffsetHigh: 1 << 30}
	err = windows.LockFileEx(
		windows.Handle(f.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0,
		1,
		0,
		far,
	)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}
