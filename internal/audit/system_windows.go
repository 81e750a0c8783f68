package audit

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/windows"
)

// Windows has no such flags. [openOwn] has looked for links before.
const (
	noWait   = 0
	noFollow = 0
)

// diskSize is the size of a folder's file system in bytes; 0: not known.
func diskSize(dir string) int64 {
	var free, total, all uint64
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil || windows.GetDiskFreeSpaceEx(name, &free, &total, &all) != nil {
		return 0
	}
	return int64(total)
}

// links is 1: Windows removes no file that is open here.
func links(fs.FileInfo) uint64 { return 1 }

// onDisk is how many bytes of the disk a file takes.
func onDisk(info fs.FileInfo) int64 { return info.Size() }

// ownerOf does not know: access lists are not checked.
func ownerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

// modeOf is 0: on Windows access lists decide who may use a file, and they are
// not checked.
func modeOf(fs.FileInfo) fs.FileMode { return 0 }

// isLink is false: [openOwn] has looked for links before.
func isLink(error) bool { return false }

// full says whether an error means that there is no room on the disk.
func full(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL)
}
