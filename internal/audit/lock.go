package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/asc-gateway/asc-gateway/internal/files"
)

// errBusy says that another process writes the log.
var errBusy = errors.New("another process writes this audit log")

// lock keeps a second process away. It is taken on a file beside the log, which
// is never moved: a lock on the log itself would go away with it when it is
// rotated, and two processes would each hold one. The kernel frees it however
// the process ends.
//
// The file also holds where the chain ends, for the next start: the log itself
// does not tell when it was moved away in between.
type lock struct {
	path string
	log  *slog.Logger
	f    *os.File
	info fs.FileInfo
}

// try takes the lock, or says [errBusy] at once.
func (l *lock) try() error {
	for {
		f, err := openOwn(l.path, 0, l.log)
		if err != nil {
			return err
		}
		if free, err := files.Lock(f); !free || err != nil {
			f.Close()
			if err == nil {
				return fmt.Errorf("%s: %w", strings.TrimSuffix(l.path, lockSuffix), errBusy)
			}
			return fmt.Errorf("%s cannot be locked: %w", l.path, err)
		}
		old := l.f
		if l.f = f; old != nil {
			old.Close()
		}
		if l.info, err = f.Stat(); err != nil {
			return err
		}
		if l.held() {
			return nil
		}
		// It was removed in this moment: whoever comes next would lock another file.
	}
}

// held says whether the lock is ours and still the one that others would meet.
func (l *lock) held() bool {
	if l.f == nil {
		return false
	}
	there, err := os.Lstat(l.path)
	return err == nil && os.SameFile(there, l.info)
}

// endLen is the length of a chain's end as the lock file holds it.
const endLen = 16 + 1 + 20 + 1 + 64 + 1

// mark keeps where the chain ends. It overwrites in place, so that a full disk
// does not matter; what fails is seen by the next start, at worst.
func (l *lock) mark(end string) {
	var b [endLen]byte
	for i := copy(b[:], end); i < endLen-1; i++ {
		b[i] = ' '
	}
	b[endLen-1] = '\n'
	_, _ = l.f.WriteAt(b[:], 0)
}

// end is where the chain ended, "" if that is not known.
func (l *lock) end() string {
	if l.f == nil {
		return ""
	}
	b := make([]byte, endLen)
	n, _ := l.f.ReadAt(b, 0)
	end := strings.TrimSpace(string(b[:n]))
	if _, _, _, ok := parseEnd(end); !ok {
		return ""
	}
	return end
}

func (l *lock) close() error {
	if l.f == nil {
		return nil
	}
	return l.f.Close()
}
