package audit

import (
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
)

// reserve keeps disk room for outcomes: a file full of bytes that nobody needs,
// which is cut when the disk is full. It works on every file system. Preallocating
// the log itself would not: not everywhere, and not over rotation.
type reserve struct {
	path string
	size int64 // that it should have
	log  *slog.Logger
	f    *os.File
	has  int64
}

// reserveSize bounds the reserve by an eighth of the file system.
func reserveSize(path string, want int64) int64 {
	if total := diskSize(filepath.Dir(path)); total > 0 {
		return min(want, total/8)
	}
	return want
}

// fill makes the reserve whole again, as far as there is room.
func (r *reserve) fill() error {
	if r.f != nil && r.has >= r.size {
		return nil
	}
	if r.f == nil {
		if err := r.open(); err != nil {
			return err
		}
	}
	part := make([]byte, 64<<10)
	for r.has < r.size {
		_, _ = rand.Read(part) // never fails; zeros would take no room on a file system that compresses
		n, err := r.f.WriteAt(part[:min(int64(len(part)), r.size-r.has)], r.has)
		r.has += int64(n)
		if err != nil {
			return err
		}
	}
	return r.f.Sync() // some file systems look for room only now
}

func (r *reserve) open() error {
	f, err := openOwn(r.path, 0, r.log)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	has := int64(0)
	switch {
	case err != nil:
	case info.Size() > r.size || onDisk(info) < info.Size(): // too large, or full of holes
		err = f.Truncate(0)
	default:
		has = info.Size()
	}
	if err != nil {
		f.Close()
		return err
	}
	r.f, r.has = f, has
	return nil
}

// free gives room back for n bytes, with something over for the file system. It
// says false if none was left.
func (r *reserve) free(n int) bool {
	if r.f == nil && r.open() != nil || r.has == 0 {
		return false
	}
	has := max(0, r.has-int64(n)-16<<10)
	if r.f.Truncate(has) != nil {
		return false
	}
	r.has = has
	return true
}

func (r *reserve) close() error {
	if r.f == nil {
		return nil
	}
	return r.f.Close()
}
