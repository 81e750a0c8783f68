package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// rotated is how the time stands in the name of a file that was moved aside.
const rotated = "20060102T150405.000000000"

// rotate moves the file aside. The chain goes on in the next one.
func (f *file) rotate() error {
	aside := f.cfg.Path + "." + f.now().UTC().Format(rotated)
	for n := 1; ; n++ { // a name that is taken would be lost
		if _, err := os.Lstat(aside); errors.Is(err, os.ErrNotExist) {
			break
		}
		aside = fmt.Sprintf("%s.%s-%03d", f.cfg.Path, f.now().UTC().Format(rotated), n)
	}
	if err := f.release(); err != nil { // Windows renames no file that is open
		return err
	}
	if err := os.Rename(f.cfg.Path, aside); err != nil {
		return err
	}
	f.prune()
	return f.open()
}

// prune removes the oldest files that were moved aside.
func (f *file) prune() {
	if f.cfg.MaxFiles <= 0 {
		return
	}
	old, err := movedAside(f.cfg.Path)
	if err != nil {
		return
	}
	for len(old) > f.cfg.MaxFiles {
		_ = os.Remove(old[0]) // tried again with the next
		old = old[1:]
	}
}

// movedAside lists the files of a log that were moved aside by [file.rotate],
// the oldest first. Whatever else has a name like the log's is left alone.
func movedAside(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	var list []string
	for _, e := range entries {
		suffix, is := strings.CutPrefix(e.Name(), filepath.Base(path)+".")
		at, _, _ := strings.Cut(suffix, "-")
		if _, err := time.Parse(rotated, at); is && err == nil && e.Type().IsRegular() {
			list = append(list, filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
	slices.Sort(list)
	return list, nil
}
