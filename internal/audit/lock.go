package audit

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
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
	st   syscall.Stat_t
}

// try takes the lock, or says [errBusy] at once.
func (l *lock) try() error {
	for {
		f, err := openOwn(l.path, 0, l.log)
		if err != nil {
			return err
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return fmt.Errorf("%s: %w", strings.TrimSuffix(l.path, lockSuffix), errBusy)
			}
			return fmt.Errorf("%s cannot be locked: %w", l.path, err)
		}
		old := l.f
		if l.f = f; old != nil {
			old.Close()
		}
		if l.st, err = statOf(f); err != nil {
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
	var there syscall.Stat_t
	return syscall.Lstat(l.path, &there) == nil && there.Dev == l.st.Dev && there.Ino == l.st.Ino
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

// statOf is fstat.
func statOf(f *os.File) (st syscall.Stat_t, err error) {
	err = syscall.Fstat(int(f.Fd()), &st)
	return st, err
}
