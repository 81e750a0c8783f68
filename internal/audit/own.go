package audit

import (
	"fmt"
	"io/fs"
	"log/slog"
	"os"
)

// The files beside the log.
const (
	lockSuffix    = ".lock"
	reserveSuffix = ".reserve"
)

// openOwn opens a file of ours, or makes it; flags are added. What stands there
// already must be a regular file, no symbolic link, of the user who runs this,
// under one name only, and closed to everybody else.
func openOwn(path string, flags int, log *slog.Logger) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil { // a clear word, and no device is opened
		if err := ours(path, info); err != nil {
			return nil, err
		}
	}
	// Without O_NONBLOCK, opening a FIFO could wait.
	flags |= os.O_CREATE | os.O_RDWR | noFollow | noWait
	f, err := os.OpenFile(path, flags, 0o600)
	if isLink(err) {
		return nil, fmt.Errorf("%s is a symbolic link: the audit log does not follow one", path)
	}
	if err != nil {
		return nil, err
	}
	if err := closeToOthers(f, log); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// closeToOthers checks an open file, and takes from its group what only the
// owner needs: Kubernetes gives the files of a volume with fsGroup to the group,
// for writing too.
func closeToOthers(f *os.File, log *slog.Logger) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := ours(f.Name(), info); err != nil {
		return err
	}
	mode := modeOf(info)
	if mode&0o030 == 0 {
		return nil
	}
	log.Warn("the group may write to a file of the audit log: that is taken away", "file", f.Name(), "mode", mode.String())
	return f.Chmod(mode &^ 0o030)
}

// ours says what is wrong with a file.
func ours(path string, info fs.FileInfo) error {
	mode := info.Mode()
	uid, known := ownerOf(info)
	switch {
	case mode&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link: the audit log does not follow one", path)
	case !mode.IsRegular():
		return fmt.Errorf("%s is not a regular file (%s)", path, mode)
	case known && uid != os.Geteuid():
		return fmt.Errorf("%s belongs to user %d, but user %d runs this: chown it", path, uid, os.Geteuid())
	case modeOf(info)&0o007 != 0:
		return fmt.Errorf("%s is open to everybody (mode %04o): chmod it to 0600 or 0640", path, modeOf(info))
	case links(info) > 1:
		return fmt.Errorf("%s has %d names (hard links): it must have one", path, links(info))
	}
	return nil
}
