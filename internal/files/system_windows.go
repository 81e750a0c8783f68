package files

import "io/fs"

// Windows has no such flags. Its pipes are not in the file system, and a file
// that is made with O_EXCL follows no link.
const (
	noWait   = 0
	noFollow = 0
)

// Mode returns the permission bits of a file. On Windows it is 0: there access
// lists decide who may read a file, and the gateway does not check them.
func Mode(fs.FileInfo) fs.FileMode { return 0 }
